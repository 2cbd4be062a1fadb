import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";

/** Name of the proxy's Unix socket in SOCKET_DIR. */
export const proxySocketName = "proxy.sock";

/** A port of the toolbox's own loopback that leads to the proxy: most programs know no other kind. */
export function startForwarder(socketDirectory: string): Promise<number> {
  const path = join(socketDirectory, proxySocketName);
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const proxy = connect({ path, allowHalfOpen: true });
    client.on("error", () => proxy.destroy());
    proxy.on("error", () => client.destroy());
    client.on("close", () => proxy.destroy());
    proxy.on("close", () => client.destroy());
    client.pipe(proxy).pipe(client);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      server.unref();
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const ownNames = "localhost,127.0.0.1,::1,.localhost";

/** In both spellings: programs disagree. */
export function proxyVariables(port: number): Record<string, string> {
  const url = `http://127.0.0.1:${port}`;
  const variables = { HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: ownNames };
  const both = Object.entries(variables).flatMap(([name, value]) => [
    [name, value],
    [name.toLowerCase(), value],
  ]);
  // Node's own fetch and http heed the variables only when told to.
  return { ...Object.fromEntries(both), NODE_USE_ENV_PROXY: "1" };
}
