import { decideRoleChange, type RoleChange } from "../../../shared/domain/account/member.decisions.ts";
import { Role } from "../../../shared/protocol/permission.ts";

const roles = Role.options;
const changes: RoleChange[] = roles.flatMap((actorRole) =>
  roles.flatMap((from) => [...roles, null].flatMap((to) => [1, 2].map((owners) => ({ actorRole, from, to, owners })))),
);

it("lets nobody but an owner touch what concerns owners", () => {
  const refused = changes.filter((change) => {
    const decision = decideRoleChange(change);
    return decision.kind === "refused" && decision.code === "forbidden";
  });
  expect(refused).toEqual(
    changes.filter(({ actorRole, from, to }) => actorRole !== "owner" && (from === "owner" || to === "owner")),
  );
});

it("keeps one owner, and counts what it allows", () => {
  for (const change of changes) {
    const decision = decideRoleChange(change);
    if (decision.kind !== "allowed") continue;
    const before = change.from === "owner" ? 1 : 0;
    const after = change.to === "owner" ? 1 : 0;
    expect(decision.owners).toBe(after - before);
    expect(change.owners + decision.owners).toBeGreaterThanOrEqual(1);
  }
});

it("says why the last owner stays", () => {
  const last = { actorRole: "owner", from: "owner", owners: 1 } as const;
  expect(decideRoleChange({ ...last, to: null })).toEqual({ kind: "refused", code: "last_owner" });
  expect(decideRoleChange({ ...last, to: "admin" })).toEqual({ kind: "refused", code: "last_owner" });
  expect(decideRoleChange({ ...last, to: "owner" })).toEqual({ kind: "allowed", owners: 0 });
});
