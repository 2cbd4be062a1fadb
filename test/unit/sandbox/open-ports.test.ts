import { OpenPorts, type PortFrame } from "../../../containers/sandbox/src/supervisor/open-ports.ts";

let now = 0;
let told: PortFrame[] = [];
let isLinkUp = true;
const tell = (frame: PortFrame) => {
  if (isLinkUp) told.push(frame);
  return isLinkUp;
};
const start = () => {
  now = 0;
  told = [];
  isLinkUp = true;
  return new OpenPorts({ except: 8022, tell, now: () => now });
};
const openedPort = (port: number) => ({ type: "sandbox.port_opened", port });
const closedPort = (port: number) => ({ type: "sandbox.port_closed", port });

test("what opens and closes is told of in order, once; the supervisor's own port is nobody's business", () => {
  const ports = start();
  for (const port of [8022, 5173, 3000]) ports.opened(port);
  expect(ports.list).toEqual([3000, 5173]);
  for (const port of [5173, 5173, 8022]) ports.closed(port);
  ports.opened(5173);
  expect(told).toEqual([openedPort(5173), openedPort(3000), closedPort(5173), openedPort(5173)]);
});

test("a tool runner that is gone took its servers along", () => {
  const ports = start();
  for (const port of [3000, 5173]) ports.opened(port);
  ports.lost();
  ports.lost();
  expect(told.slice(2)).toEqual([closedPort(3000), closedPort(5173)]);
  expect(ports.list).toEqual([]);
});

test("a storm of ports is told of in part, what opens after it again, and no end without its beginning", () => {
  const ports = start();
  const storm = (from: number) => {
    told = [];
    for (let port = from; port < from + 500; port += 1) ports.opened(port);
    return told.length;
  };
  expect(storm(2000)).toBe(32);
  now = 9_999;
  expect(storm(3000)).toBe(0);
  now = 10_000;
  expect(storm(4000)).toBe(32);
  told = [];
  ports.lost();
  expect(told).toHaveLength(64);
});

test("what opens and closes while nothing can be sent is told once it can; what did both is not", () => {
  const ports = start();
  for (const port of [3000, 4000, 5000]) ports.opened(port);
  told = [];
  isLinkUp = false;
  for (const port of [3000, 4000]) ports.closed(port);
  for (const port of [4000, 6000, 7000]) ports.opened(port);
  ports.closed(7000);
  expect(told).toEqual([]);
  isLinkUp = true;
  for (let times = 0; times < 2; times += 1) ports.catchUp();
  expect(told).toEqual([closedPort(3000), openedPort(6000)]);
});
