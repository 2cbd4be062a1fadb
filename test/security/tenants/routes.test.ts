import { routes } from "../../../functions/http/routes.ts";
import { mayDo } from "../../../shared/ports/tokens.ts";
import { roleMay, type Permission, type Scope } from "../../../shared/protocol/permission.ts";
import { examples } from "../../integration/documents/examples/all.ts";
import type { Ask, World } from "../../integration/documents/world.ts";
import type { HttpAnswer } from "../../support/http-platform.ts";
import { aboutNothing, idsIn, startTwoTenants, type Principal, type TwoTenants } from "./world.ts";

let tenants: TwoTenants;
let asked = 0;
beforeAll(async () => {
  tenants = await startTwoTenants();
});
afterAll(async () => {
  process.stdout.write(`tenant matrix: ${asked} requests over ${closed.length} routes\n`);
  await tenants.stop();
});

const closed = routes.filter(({ needs }) => needs !== "public");
type Route = (typeof closed)[number];

/** An invite is made to be taken by whoever holds its token. */
const capabilities = new Set(["joinByInvite"]);

/** A name that the caller chooses is one of its own tenant: nothing is looked for. */
const makesByName = new Set(["putSecret"]);

/** A key hands out no scope that it has not: one with a single scope can not make the example's. */
const isTooNarrow = ({ id }: Route, { scopes }: Principal) => id === "createApiKey" && scopes?.length === 1;

/** Ids that are not in the path: each with the request that names somebody else's. */
const elsewhere: [string, string, (own: World, foreign: World) => Promise<Ask>, number][] = [
  [
    "POST",
    "/sessions",
    async (_own, foreign) => ({ path: "/sessions", body: { parent: await sessionOf(foreign) } }),
    404,
  ],
  [
    "PATCH",
    "/sessions/{session_id}",
    async (own, foreign) => ({ path: `/sessions/${await sessionOf(own)}`, body: { parent: await sessionOf(foreign) } }),
    404,
  ],
  [
    "PUT",
    "/sessions/{session_id}",
    async (own, foreign) => ({
      path: `/sessions/${await sessionOf(own)}`,
      body: { inbox_status: "active", parent: await sessionOf(foreign) },
    }),
    404,
  ],
  [
    "POST",
    "/auth/switch",
    async (_own, foreign) => ({ path: "/auth/switch", body: { tenant_id: foreign.owner.tenant.id } }),
    404,
  ],
  [
    "GET",
    "/sessions",
    async (_own, foreign) => ({ path: "/sessions", query: `parent=${await sessionOf(foreign)}` }),
    200,
  ],
  ["GET", "/inbox", async (_own, foreign) => ({ path: "/inbox", query: `parent=${await sessionOf(foreign)}` }), 200],
];

async function sessionOf(side: World): Promise<string> {
  return String((await side.good("POST", "/sessions", {}))["id"]);
}

function may({ role, scopes }: Principal, needs: Permission): boolean {
  if (role === null) return false;
  const key = scopes ? { key: { id: "key", scopes: scopes as readonly Scope[] } } : {};
  return roleMay(role, needs) && mayDo({ role, ...key }, needs);
}

/** Keys of one scope stand for themselves only where theirs is asked for, and where another one is. */
function relevant(needs: Permission): Principal[] {
  const other = needs === "session.read" ? "webhook.manage" : "session.read";
  return tenants.principals.filter(
    ({ scopes }) => scopes === null || scopes.length > 1 || scopes[0] === needs || scopes[0] === other,
  );
}

async function request(route: Route, ask: Ask, token: string | undefined): Promise<HttpAnswer> {
  asked += 1;
  const { token: _theirs, ...rest } = ask;
  return tenants.world.call(route.method, { ...rest, ...(token === undefined ? {} : { token }) });
}

function exampleOf({ id }: Route) {
  const example = examples[id];
  if (!example) throw new Error(`${id} has no example: the matrix is made from them`);
  return example.ask;
}

/** Ids of the victim's that a text gives away, beside those that were asked for. */
function theirsIn(text: string, ask: Ask = { path: "" }): string[] {
  const asked = idsIn(JSON.stringify(ask));
  return idsIn(text).filter((id) => tenants.victim.known.has(id) && !asked.includes(id));
}

const outcome = ({ status, body }: HttpAnswer) => [status, body["code"]];
const without = ({ body: { request_id: _own, ...rest } }: HttpAnswer) => rest;

describe.each(closed.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", (_name, route) => {
  const needs = route.needs as Permission;
  const endsOwnSignIn = needs === "account.self";

  it("takes those who may", async () => {
    for (const principal of relevant(needs).filter((one) => may(one, needs) && !isTooNarrow(route, one))) {
      const ask = await exampleOf(route)(tenants.attacker);
      const answer = await request(route, ask, await principal.token(endsOwnSignIn));
      const code = answer.body["code"] ?? "fine";
      expect([principal.name, code]).not.toEqual([
        principal.name,
        expect.stringMatching(/^(unauthenticated|forbidden|not_found|internal)$/),
      ]);
    }
  });

  it("takes nobody else, and changes nothing for them", async () => {
    const ask = await exampleOf(route)(tenants.attacker);
    const refused = relevant(needs).filter((one) => !may(one, needs));
    const tokens = await Promise.all(refused.map((one) => one.token(endsOwnSignIn)));
    const writes = await tenants.writesOf(async () => {
      for (const [index, { name, role }] of refused.entries()) {
        const refusal = role === null ? [401, "unauthenticated"] : [403, "forbidden"];
        expect([name, ...outcome(await request(route, ask, tokens[index]))]).toEqual([name, ...refusal]);
      }
    });
    expect(writes).toEqual([]);
  });

  if (capabilities.has(route.id)) return;
  it("knows nothing of another tenant, whoever asks", async () => {
    const ask = await exampleOf(route)(tenants.victim);
    const nobodys = JSON.parse(aboutNothing(JSON.stringify(ask))) as Ask;
    // A git host's name is the deployment's: each tenant finds its own below it.
    const isNamed = route.path.includes("{") && !route.path.includes("{host}") && !makesByName.has(route.id);
    for (const principal of relevant(needs)) {
      const token = await principal.token(endsOwnSignIn);
      const writes = await tenants.writesOf(async () => {
        const foreign = await request(route, ask, token);
        expect(theirsIn(foreign.text, ask)).toEqual([]);
        if (!isNamed) return;
        const nothing = await request(route, nobodys, token);
        const { name } = principal;
        expect([name, foreign.status, without(foreign)]).toEqual([name, nothing.status, without(nothing)]);
        if (may(principal, needs)) expect([name, ...outcome(foreign)]).toEqual([name, 404, "not_found"]);
      });
      expect(isNamed ? writes : theirsIn(writes.join("\n"))).toEqual([]);
    }
  });
});

describe("ids outside the path", () => {
  it.each(elsewhere)("%s %s", async (method, path, make, status) => {
    const route = closed.find((one) => one.method === method && one.path === path);
    if (!route) throw new Error("no such route");
    const ask = await make(tenants.attacker, tenants.victim);
    for (const principal of relevant(route.needs as Permission)) {
      const answer = await request(route, ask, await principal.token(route.needs === "account.self"));
      expect(theirsIn(answer.text, ask)).toEqual([]);
      if (!may(principal, route.needs as Permission)) expect([401, 403]).toContain(answer.status);
      else expect([principal.name, answer.status]).toEqual([principal.name, status]);
      if (answer.status === 200) expect(answer.body["data"]).toEqual([]);
    }
  });

  it("a cursor of another tenant is none", async () => {
    const lists = closed.filter(({ method, path, query }) => method === "GET" && !path.includes("{") && query);
    const { victim, attacker, world } = tenants;
    for (let made = 0; made < 2; made += 1) await sessionOf(victim);
    const page = { path: "/sessions", query: "limit=1", token: await world.tokenOf(victim.owner) };
    const { next_cursor } = (await world.call("GET", page)).body;
    expect(typeof next_cursor).toBe("string");
    const token = await world.tokenOf(attacker.owner);
    for (const { path } of lists) {
      const answer = await world.call("GET", {
        path,
        query: `cursor=${encodeURIComponent(String(next_cursor))}`,
        token,
      });
      expect([path, answer.status]).toEqual([path, answer.body["code"] === "validation_failed" ? 422 : 400]);
    }
  });
});
