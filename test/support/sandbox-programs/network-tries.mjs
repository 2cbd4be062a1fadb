// Runs inside a toolbox: makes each connection that the file named by its argument describes, and prints what came back.
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const waitMs = 700;

/** Sends each piece once something came back for the one before. */
function talk(socket, pieces) {
  return new Promise((resolve) => {
    let heard = "";
    let next = 0;
    const end = () => (socket.destroy(), resolve(heard));
    const say = () => next < pieces.length && socket.write(Buffer.from(pieces[next++], "base64"));
    const timer = setTimeout(end, waitMs);
    socket.on("connect", () => ((heard += "connected "), say()));
    socket.on("data", (data) => {
      heard += data.toString("latin1");
      if (next < pieces.length) say();
    });
    socket.on("error", (error) => (clearTimeout(timer), resolve(`${heard}${error.code}`)));
    socket.on("close", () => (clearTimeout(timer), resolve(heard)));
  });
}

function datagram(host, port) {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    let ended = false;
    const end = (text) => {
      if (!ended) socket.close();
      ended = true;
      resolve(text);
    };
    socket.on("message", () => end("answered"));
    socket.on("error", (error) => end(error.code));
    socket.send("knock", port, host, (error) => error && end(error.code));
    setTimeout(() => end("silence"), waitMs).unref();
  }).catch(String);
}

async function attempt({ kind, host, port, path, pieces = [] }) {
  const proxy = new URL(process.env.HTTP_PROXY);
  if (kind === "proxy") return talk(connect(Number(proxy.port), proxy.hostname), pieces);
  if (kind === "unix") return talk(connect({ path }), pieces);
  if (kind === "tcp") return talk(connect(port, host), pieces);
  if (kind === "udp") return datagram(host, port);
  return lookup(host).then(
    ({ address }) => address,
    (error) => error.code,
  );
}

const tries = JSON.parse(readFileSync(process.argv[2], "utf8"));
const said = await Promise.all(tries.map((one) => attempt(one).catch((error) => String(error))));
console.log(JSON.stringify(said.map((text) => text.slice(0, 600))));
process.exit(0);
