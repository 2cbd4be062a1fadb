import { readAccount } from "../../../shared/domain/account/account.ts";
import { MeAnswer } from "../../../shared/protocol/account.ts";
import { route } from "../deps.ts";

export const meRoutes = [
  route({
    method: "GET",
    path: "/me",
    needs: "account.self",
    answers: { 200: MeAnswer },
    run: async ({ actor, deps }) => ({ status: 200, body: await readAccount(deps, actor) }),
  }),
];
