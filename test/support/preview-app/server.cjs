// An app as people have it behind a preview: pages, an event stream, downloads, and a dev server's WebSocket.
const http = require("node:http");
const { WebSocketServer } = require("ws");

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: 64 * 1024 * 1024,
  handleProtocols: (offered) => (offered.has("vite-hmr") ? "vite-hmr" : false),
});
sockets.on("connection", (socket, request) => {
  socket.send(JSON.stringify(request.headers));
  socket.on("message", (data, binary) => {
    if (Buffer.isBuffer(data) && data.equals(Buffer.from("close"))) socket.close(4001, "bye");
    else socket.send(data, { binary });
  });
});

let streams = 0;
let written = 0;

function events(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  streams++;
  const ticking = setInterval(() => response.write(`data: ${Date.now()}\n\n`), 100);
  response.on("close", () => {
    clearInterval(ticking);
    streams--;
  });
}

function download(response) {
  const chunk = Buffer.alloc(64 * 1024, 97);
  let left = 1600;
  written = 0;
  const more = () => {
    while (left > 0) {
      left--;
      written += chunk.length;
      if (!response.write(chunk)) return void response.once("drain", more);
    }
    response.end();
  };
  more();
}

const server = http.createServer((request, response) => {
  if (request.url === "/events") return events(response);
  if (request.url === "/download") return download(response);
  if (request.url === "/counts") return response.end(JSON.stringify({ streams, written }));
  if (request.url === "/cut") {
    response.write("some");
    return setTimeout(() => response.destroy(), 100);
  }
  return response.end(JSON.stringify({ url: request.url, method: request.method, headers: request.headers }));
});
server.on("upgrade", (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit("connection", opened, request)),
);
server.listen(3000, "127.0.0.1");
