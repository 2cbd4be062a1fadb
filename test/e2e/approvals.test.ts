import type { OpenApproval } from "../../shared/protocol/approval.ts";
import type { Session } from "../../shared/protocol/session.ts";
import { signUp, startLocalPlatform } from "../support/local-platform.ts";

jest.setTimeout(180_000);

test("a call that waits for a person outlives the whole platform, and runs once it is approved", async () => {
  const first = await startLocalPlatform({ scheduleScale: 1 / 30 });
  const person = await signUp(first.platform);
  const session = await person.api.call<Session>("POST", "/sessions", {});
  const path = `/sessions/${session.id}`;
  await person.api.call("PATCH", path, { sbx_config: { approvals: { rules: [{ tool: "write", policy: "ask" }] } } });
  const socket = await person.api.connect(person.webSocketUrl);
  await socket.ask({ type: "session.subscribe", session_id: session.id });
  await socket.ask({ type: "message.send", session_id: session.id, content: "rehearsal: tools 2" });
  const asked = await socket.waitFor("approval.requested", () => true, 60_000);
  expect(asked.data).toMatchObject({ name: "write", kind: "tool", on_deadline: "deny" });
  await socket.close();
  await first.platform.stop();

  const second = await startLocalPlatform({ stateDir: first.stateDir, scheduleScale: 1 / 30 });
  try {
    const again = await signUp(second.platform);
    const { email, password } = person;
    again.api.signIn(await again.api.call("POST", "/auth/login", { email, password }));
    const { data } = await again.api.call<{ data: OpenApproval[] }>("GET", `${path}/approvals`);
    expect(data.map(({ approval_id }) => approval_id)).toEqual([asked.data.approval_id]);
    const watching = await again.api.connect(again.webSocketUrl);
    await watching.ask({ type: "session.subscribe", session_id: session.id });
    const { approval_id } = asked.data;
    const decision = { session_id: session.id, approval_id, decision: "approve", remember: "session" };
    await watching.ask({ type: "approval.resolve", ...decision });
    const ended = await watching.waitFor("turn.ended", () => true, 90_000);
    expect(ended.data.reason).toBe("completed");
    const completed = watching.events.filter(({ type }) => type === "tool.completed");
    expect(completed.map(({ data: result }) => "is_error" in result && result.is_error)).toEqual([false, false]);
    await watching.close();
  } finally {
    await second.platform.stop();
    second.forget();
  }
});
