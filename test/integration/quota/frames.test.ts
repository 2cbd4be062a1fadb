import { limitsOf } from "../../../shared/config/plans.ts";
import { changePlan } from "../../../shared/domain/quota/plan.ts";
import type { TokenAnswer } from "../../../shared/protocol/account.ts";
import { type HttpPlatform, startHttpPlatform } from "../../support/http-platform.ts";
import { people } from "../../support/people.ts";
import { socketDriver } from "../../support/socket-driver.ts";

let platform: HttpPlatform;
let person: TokenAnswer;
beforeAll(async () => {
  platform = await startHttpPlatform();
  person = await people(() => platform).found();
});
afterAll(() => platform.stop());
const { say, userConnection } = socketDriver(() => platform);

const { burst } = limitsOf("trial").requests ?? { burst: 0 };

test("frames and requests share the tenant's bucket; a ping is free", async () => {
  const connectionId = await userConnection(person);
  const unsubscribe = (request_id: string) => {
    const session_id = "00000000-0000-4000-8000-000000000000";
    return say(connectionId, { type: "session.unsubscribe", request_id, session_id });
  };
  await changePlan(platform.deps.table, person.tenant.id, "trial");
  for (let sent = 0; sent < burst - 1; sent += 1) expect((await unsubscribe(`r${sent}`))?.error).toBeUndefined();
  const request = await platform.send("GET", "/me", undefined, person.access_token);
  expect(request).toMatchObject({ status: 200, headers: { ratelimit: expect.stringContaining("r=0;") } });

  expect((await unsubscribe("late"))?.error).toEqual({ code: "rate_limited", message: "Try again in 1 s" });
  expect((await say(connectionId, { type: "ping", request_id: "p" }))?.error).toBeUndefined();
  platform.clock.advance(1000);
  expect((await unsubscribe("later"))?.error).toBeUndefined();
}, 60_000);
