import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { privateAddress } from "../../../containers/sandbox/src/supervisor/task-metadata.ts";

test("a busy machine's metadata is asked for again: a sandbox without its address is reached by nobody", async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (asked < 3) return;
    response.end(JSON.stringify({ Networks: [{ IPv4Addresses: ["10.0.0.7"] }] }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    expect(await privateAddress(url, [50, 50])).toBeNull();
    expect(await privateAddress(url, [50, 5_000])).toBe("10.0.0.7");
    expect(await privateAddress(undefined)).toBeNull();
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
