import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { History } from "../../../containers/sandbox/src/supervisor/git/history.ts";
import { Pusher } from "../../../containers/sandbox/src/supervisor/git/pusher.ts";

const folder = mkdtempSync(join(tmpdir(), "pusher-"));
const packet = (line: string) => `${(line.length + 4).toString(16).padStart(4, "0")}${line}`;
/** Of pushes that have come and wait for their answer. */
const waiting: (() => void)[] = [];
let host: Server;

/** An empty repository that takes whatever comes, when it is told to. */
beforeAll(async () => {
  host = createServer((request, response) => {
    request.resume();
    if (request.method === "GET") return void response.end("0000");
    waiting.push(() => void response.end(`${packet("unpack ok\n")}${packet("ok refs/heads/work\n")}0000`));
  });
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  host.close();
  host.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

async function held(): Promise<() => void> {
  for (let looks = 0; waiting.length === 0 && looks < 200; looks += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const answer = waiting.shift();
  if (!answer) throw new Error("no push came");
  return answer;
}

it("a push that arrives says so of what it brought, not of what was made or let go meanwhile", async () => {
  const history = new History(null, join(folder, "parts"));
  const commit = async (oid: string): Promise<void> => {
    const part = { oids: [oid], bytes: Buffer.alloc(0) };
    await history.add(oid, part, await history.nextPack(part));
  };
  const [first, second] = ["1".repeat(40), "2".repeat(40)];
  const arrived: string[] = [];
  const pusher = new Pusher({ history, random: () => 0, onPushed: (oid) => void arrived.push(oid) });
  const url = `http://127.0.0.1:${(host.address() as AddressInfo).port}/r.git`;
  const target = { url, branch: "work", username: "u", password: "p" };
  await commit(first);
  pusher.owe([first]);
  const pushing = pusher.push(target);
  const answer = await held();
  await commit(second);
  pusher.owe([second]);
  answer();
  expect(await pushing).toMatchObject({ status: "pushed" });
  expect(arrived).toEqual([first]);
  const again = pusher.push(target);
  (await held())();
  expect(await again).toMatchObject({ status: "pushed" });
  expect(arrived).toEqual([first, second]);
  pusher.close();
});
