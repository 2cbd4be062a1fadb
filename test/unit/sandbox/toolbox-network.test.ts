import { shellEnvironment } from "../../../containers/sandbox/src/toolbox/environment.ts";
import { networkVariables } from "../../../containers/sandbox/src/toolbox/network.ts";

const loopback = { lo: [{ internal: true }] };
const isolated = { TOOLBOX_NETWORK: "isolated", SOCKET_DIR: "/nowhere" } as const;

it("a toolbox that was promised a network of its own does not start on another one", async () => {
  const interfaces = { ...loopback, eth0: [{ internal: false }] };
  await expect(networkVariables(isolated, interfaces)).rejects.toThrow("not isolated");
});

it("in a network of its own, programs are told the way out in every spelling, and their own servers are left out", async () => {
  const variables = await networkVariables(isolated, loopback);
  const url = variables["HTTP_PROXY"] ?? "";
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  for (const name of ["http_proxy", "HTTPS_PROXY", "https_proxy"]) expect(variables[name]).toBe(url);
  for (const name of ["NO_PROXY", "no_proxy"]) expect(variables[name]).toBe("localhost,127.0.0.1,::1,.localhost");
  expect(variables["NODE_USE_ENV_PROXY"]).toBe("1");
});

it("in a shared one they are told nothing", async () => {
  expect(await networkVariables({ ...isolated, TOOLBOX_NETWORK: "shared" }, { eth0: [{ internal: false }] })).toEqual(
    {},
  );
});

it("nothing of the task's own environment reaches a command", () => {
  const shown = shellEnvironment(
    { MEMORY_MIB: "1", TOOLBOX_NETWORK: "isolated", SECRET: "x", LANG: "de" },
    "/workspace",
  );
  expect(Object.keys(shown).toSorted()).toEqual(["HOME", "LANG", "PATH", "TERM"]);
});
