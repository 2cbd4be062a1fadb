import type { EntityItem } from "electrodb";
import type * as z from "zod";
import { rows, type Platform, type Table } from "../../data/service.ts";
import { digestOf } from "../../digest.ts";
import { AppError } from "../../errors.ts";
import type { IdentityProviders, ProvidedIdentity } from "../../ports/identity-provider.ts";
import type { Actor } from "../../ports/tokens.ts";
import type { LinkIdentityRequest, OidcRequest, TokenAnswer } from "../../protocol/account.ts";
import { lastMembership, type Registration } from "./account.ts";
import { commit, type Entities, type Write } from "./commit.ts";
import { enterAsKnown, enterAsNew, foundTenant, type Entered } from "./entry.ts";
import { takeInvite } from "./invite.ts";
import { findLogin, holdsLogin, type Login, readActor } from "./membership.ts";
import { passwordCheck } from "./password.ts";
import { admitAddress, admitGuess } from "./throttle.ts";
import { type AccountDeps, answerTokens, signingIn } from "./token-answer.ts";

export interface IdentityDeps extends AccountDeps {
  registration: Registration;
  identityProviders: IdentityProviders;
}

type Link = EntityItem<Platform["entities"]["identity"]>;
type SignInRequest = z.infer<typeof OidcRequest>;

const subjectHash = ({ issuer, subject }: ProvidedIdentity) => digestOf(JSON.stringify([issuer, subject]));

async function findLink(table: Table, identity: ProvidedIdentity): Promise<Link | null> {
  const subject_hash = subjectHash(identity);
  const found = await rows(table).entities.identity.get({ subject_hash }).go({ consistent: true });
  return found.data;
}

/** A token that signed somebody in does so no more. */
async function checkUnspent(table: Table, { tokenHash: token_hash }: ProvidedIdentity): Promise<void> {
  const found = await rows(table).entities.spentIdToken.get({ token_hash }).go({ consistent: true });
  if (found.data) throw new AppError("unauthenticated", "The ID token was used before");
}

function spend(entities: Entities, { tokenHash, goodUntil }: ProvidedIdentity): Write {
  return entities.spentIdToken.create({ token_hash: tokenHash, expires_at: Math.ceil(goodUntil / 1000) }).commit();
}

/** A link that a password vouched for ends with that password. */
function vouchedBy({ password_digest }: Link, { password_hash }: Login): boolean {
  return password_digest === undefined || (password_hash !== undefined && digestOf(password_hash) === password_digest);
}

async function enterLinked(deps: IdentityDeps, link: Link, input: SignInRequest): Promise<Entered> {
  const login = await findLogin(deps.table, link.email);
  if (!login || !vouchedBy(link, login)) {
    throw new AppError("conflict", "The password was changed since: sign in with it and link the provider again");
  }
  if (input.invite_token !== undefined) {
    return enterAsKnown(deps, await takeInvite(deps, input.invite_token, login.email), login);
  }
  const membership = await lastMembership(deps.table, login);
  return { membership, writes: (entities) => [holdsLogin(entities, login)] };
}

/** Never into an account that exists: whoever made it may not be whom the provider vouches for, nor the other way round. */
async function enterFirstTime(
  deps: IdentityDeps,
  identity: ProvidedIdentity,
  isTaken: boolean,
  input: SignInRequest,
): Promise<Entered> {
  const { email } = identity;
  if (isTaken) {
    throw new AppError("email_taken", "Another account has this email: sign in to it and link the provider");
  }
  if (input.invite_token === undefined && deps.registration !== "open") {
    throw new AppError("forbidden", "Registration is closed here: ask for an invite");
  }
  const entry =
    input.invite_token === undefined
      ? foundTenant(deps, input.tenant_name ?? email.slice(0, Math.min(email.indexOf("@"), 100)))
      : await takeInvite(deps, input.invite_token, email);
  const { membership, writes } = enterAsNew(deps, entry, { email });
  const { user_id, created_at } = membership.user;
  const link = { subject_hash: subjectHash(identity), email, user_id, created_at };
  return { membership, writes: (entities) => [...writes(entities), entities.identity.create(link).commit()] };
}

/**
 * Signs in whom a provider's ID token is about: the account that is linked to issuer and subject, else a new one. Throws
 * `email_taken` where another account has the email (ADR 0015), and what `IdentityProviders` throws.
 */
export async function signInWithProvider(
  deps: IdentityDeps,
  input: SignInRequest,
  sourceIp: string,
): Promise<TokenAnswer> {
  await admitAddress(deps, "login", sourceIp);
  const identity = await deps.identityProviders.verify(input.provider, input.id_token);
  const signedIn = await commit(deps, async () => {
    await checkUnspent(deps.table, identity);
    // Before the link, so that whoever made both in between is not taken for somebody else.
    const isTaken = (await findLogin(deps.table, identity.email)) !== null;
    const link = await findLink(deps.table, identity);
    const entered = link ? await enterLinked(deps, link, input) : await enterFirstTime(deps, identity, isTaken, input);
    return signingIn(deps, entered.membership, (entities) => [spend(entities, identity), ...entered.writes(entities)]);
  });
  return answerTokens(deps, signedIn);
}

/**
 * From now on the provider signs in to the actor's account too, until the password changes. Throws `invalid_credentials`
 * for a wrong password, `conflict` where the provider's identity belongs to another account.
 */
export async function linkProvider(
  deps: IdentityDeps,
  actor: Actor,
  input: z.infer<typeof LinkIdentityRequest>,
  sourceIp: string,
): Promise<void> {
  const { email } = await readActor(deps.table, actor);
  const guess = await admitGuess(deps, email, sourceIp);
  const identity = await deps.identityProviders.verify(input.provider, input.id_token);
  const matches = passwordCheck(input.current_password);
  await commit(deps, async () => {
    await checkUnspent(deps.table, identity);
    const login = await findLogin(deps.table, email);
    if (!login?.password_hash || !(await matches(login.password_hash))) throw new AppError("invalid_credentials");
    await readActor(deps.table, actor);
    const password_digest = digestOf(login.password_hash);
    const known = await findLink(deps.table, identity);
    if (known && known.user_id !== login.user_id) {
      throw new AppError("conflict", "Another account is linked to this identity");
    }
    const { user_id } = login;
    const link = { subject_hash: subjectHash(identity), email, user_id, password_digest, created_at: deps.clock.now() };
    return {
      writes: (entities) => [
        holdsLogin(entities, login),
        spend(entities, identity),
        known
          ? entities.identity.patch({ subject_hash: link.subject_hash }).set({ password_digest }).commit()
          : entities.identity.create(link).commit(),
      ],
      result: undefined,
    };
  });
  await guess.wasRight();
}
