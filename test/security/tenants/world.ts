import { randomUUID } from "node:crypto";
import { ulid } from "ulid";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { Role, Scope } from "../../../shared/protocol/permission.ts";
import { startDocumentsWorld, type World } from "../../integration/documents/world.ts";
import { people } from "../../support/people.ts";

/** Who asks: somebody of the attacker's tenant, one of its API keys, its sandbox, or nobody. */
export interface Principal {
  name: string;
  role: Role | null;
  scopes: readonly Scope[] | null;
  /** A token that is good now. Who is told to end their own sign-in or membership is somebody new. */
  token(isFresh: boolean): Promise<string | undefined>;
}

/** One tenant, with every id that it was ever told. */
export interface Side extends World {
  known: Set<string>;
}

const idPattern =
  /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(?:ten|usr|trn|msg|chk|inv|key|whk|dlv)_[0-9A-HJKMNP-TV-Z]{26}/g;

export function idsIn(text: string): string[] {
  return [...new Set(text.match(idPattern))];
}

/** The same request about things that nobody has. */
export function aboutNothing(text: string): string {
  return text.replaceAll(idPattern, (id) => {
    const prefix = /^[a-z]{3}_/.exec(id)?.[0];
    return prefix ? `${prefix}${ulid()}` : randomUUID();
  });
}

/** Two tenants of one platform: whoever makes an example's things in a side makes them there. */
export async function startTwoTenants() {
  const world = await startDocumentsWorld();
  const { platform } = world;
  const { found, join } = people(() => platform);

  function sideOf(owner: TokenAnswer): Side {
    const side: Side = {
      ...world,
      owner,
      known: new Set(idsIn(JSON.stringify(owner))),
      join: (role) => join(owner, role),
      async good(method, path, body) {
        const answer = await world.call(method, { path, body, token: await world.tokenOf(owner) });
        if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
        for (const id of idsIn(answer.text)) side.known.add(id);
        return answer.body;
      },
    };
    return side;
  }

  const [attacker, victim] = [sideOf(await found()), sideOf(await found())];

  async function member(role: Role): Promise<Principal> {
    const one = await join(attacker.owner, role);
    const token = async (isFresh: boolean) => world.tokenOf(isFresh ? await join(attacker.owner, role) : one);
    return { name: role, role, scopes: null, token };
  }

  async function key(name: string, scopes: Scope[]): Promise<Principal> {
    const made = await attacker.good("POST", "/api-keys", { name, scopes });
    return { name, role: "owner", scopes, token: async () => String(made["key"]) };
  }

  const sandbox = async () => {
    const session = await attacker.good("POST", "/sessions", {});
    const identity = { tenantId: attacker.owner.tenant.id, sessionId: String(session["id"]), epoch: 1 };
    return (await platform.deps.sandboxTokens.mint(identity)).token;
  };

  const principals: Principal[] = [
    { name: "nobody", role: null, scopes: null, token: async () => undefined },
    { name: "a sandbox", role: null, scopes: null, token: sandbox },
    ...(await Promise.all(Role.options.map(member))),
    await key("a key that may do all", [...Scope.options]),
    ...(await Promise.all(Scope.options.map((scope) => key(`a key for ${scope}`, [scope])))),
  ];

  const written: string[] = [];
  platform.client.middlewareStack.add((next, context) => async (args) => {
    const isWrite = /^(Put|Update|Delete|BatchWrite|TransactWrite)/.test(context.commandName ?? "");
    const answer = await next(args);
    if (isWrite) written.push(JSON.stringify(args.input));
    return answer;
  });

  /** What requests wrote (a write that a condition refused is none), as text: but for what any request leaves behind, refused or not. */
  async function writesOf(run: () => Promise<void>): Promise<string[]> {
    written.length = 0;
    await run();
    return written.filter((write) => !isBookkeeping(write));
  }

  return { world, attacker, victim, principals, writesOf, stop: () => world.stop() };
}

/** When a key was last used, how much of a rate is left. */
function isBookkeeping(write: string): boolean {
  return write.includes("$bucket_1") || (write.includes("$apikey_1") && write.includes("last_used_at"));
}

export type TwoTenants = Awaited<ReturnType<typeof startTwoTenants>>;
