import { randomUUID } from "node:crypto";
import type {
  LaunchRequest,
  SandboxInventory,
  SandboxProvider,
  TaskState,
} from "../../../shared/ports/sandbox-provider.ts";

/** A provider under test, with the levers that its port does not have. */
export interface SandboxProviderSubject {
  provider: SandboxProvider;
  inventory: SandboxInventory;
  /** Resolves when the provider's own notices say so. */
  untilState(taskId: string, state: "running" | "stopped"): Promise<void>;
  /** The sandbox dies by itself. */
  crash(taskId: string): Promise<void>;
  /** While set, no sandbox can be had: `capacity` and `throttled` pass, `invalid` does not. */
  refuse(how: "capacity" | "throttled" | "invalid" | null): void;
  /** The next launch is carried out, and its answer does not arrive. */
  loseNextAnswer(): void;
  /** What a launched sandbox was told. */
  environmentOf(taskId: string): Promise<Record<string, string>>;
  /** Notices of one task in the order they came; a rising version tells a duplicate. */
  notices(taskId: string): { state: TaskState; version: number }[];
  stop(): Promise<void>;
}

const request = (changes: Partial<LaunchRequest> = {}): LaunchRequest => ({
  tenantId: "ten_01ARZ3NDEKTSV4RRFFQ69G5FAV",
  sessionId: randomUUID(),
  epoch: 1,
  bootSecret: "boot-secret",
  ...changes,
});

async function launched(subject: SandboxProviderSubject, launch: LaunchRequest): Promise<string> {
  const outcome = await subject.provider.launch(launch);
  if (outcome.kind !== "launched") throw new Error(`${outcome.kind}: ${outcome.message}`);
  return outcome.taskId;
}

/** What every SandboxProvider promises. Call it inside a `describe`. */
export function sandboxProviderContract(start: () => Promise<SandboxProviderSubject>): void {
  let subject: SandboxProviderSubject;
  beforeAll(async () => {
    subject = await start();
  });
  afterAll(() => subject.stop());

  async function everything() {
    const pages = [];
    for await (const page of subject.inventory.running()) pages.push(page);
    return pages.flat();
  }

  it("launches a sandbox that knows its tenant, session, epoch and boot secret", async () => {
    const launch = request({ epoch: 7 });
    const taskId = await launched(subject, launch);
    await subject.untilState(taskId, "running");
    expect(await subject.provider.describe(taskId)).toBe("running");
    expect(await subject.environmentOf(taskId)).toMatchObject({
      TENANT_ID: launch.tenantId,
      SESSION_ID: launch.sessionId,
      EPOCH: "7",
      BOOT_SECRET: "boot-secret",
    });
    await subject.provider.stop(taskId, "done");
  });

  it("answers a retry of the same session and epoch with the same task, at once and at the same time", async () => {
    const launch = request();
    const [first, second] = await Promise.all([launched(subject, launch), launched(subject, launch)]);
    expect(second).toBe(first);
    await subject.untilState(first, "running");
    expect(await launched(subject, launch)).toBe(first);
    await subject.provider.stop(first, "done");
  });

  it("answers a retry whose other parameters changed with the task that exists", async () => {
    const launch = request();
    const first = await launched(subject, launch);
    expect(await launched(subject, { ...launch, bootSecret: "rotated" })).toBe(first);
    await subject.provider.stop(first, "done");
  });

  it("gives the next epoch and another session a task of their own", async () => {
    const launch = request();
    const tasks = [
      await launched(subject, launch),
      await launched(subject, { ...launch, epoch: 2 }),
      await launched(subject, request()),
    ];
    expect(new Set(tasks).size).toBe(3);
    await Promise.all(tasks.map((taskId) => subject.provider.stop(taskId, "done")));
  });

  it("stops a sandbox, and again without harm", async () => {
    const taskId = await launched(subject, request());
    await subject.untilState(taskId, "running");
    await subject.provider.stop(taskId, "idle");
    await subject.provider.stop(taskId, "idle again");
    await subject.untilState(taskId, "stopped");
    expect(await subject.provider.describe(taskId)).toBe("stopped");
  });

  it("notices a crash", async () => {
    const taskId = await launched(subject, request());
    await subject.untilState(taskId, "running");
    await subject.crash(taskId);
    await subject.untilState(taskId, "stopped");
    expect(await subject.provider.describe(taskId)).toBe("stopped");
  });

  it.each(["capacity", "throttled"] as const)("%s: worth another try, with the same epoch", async (how) => {
    const launch = request();
    subject.refuse(how);
    expect(await subject.provider.launch(launch)).toMatchObject({ kind: "no_capacity" });
    subject.refuse(null);
    await subject.provider.stop(await launched(subject, launch), "done");
  });

  it("says for good what it will never launch", async () => {
    subject.refuse("invalid");
    expect(await subject.provider.launch(request())).toMatchObject({ kind: "refused" });
    subject.refuse(null);
  });

  it("launches one task for a session and epoch whose answer was lost, however often it is asked again", async () => {
    const launch = request();
    subject.loseNextAnswer();
    expect((await subject.provider.launch(launch)).kind).toBe("no_capacity");
    const [taskId, again] = [await launched(subject, launch), await launched(subject, launch)];
    expect(again).toBe(taskId);
    const running = (await everything()).filter(({ sessionId }) => sessionId === launch.sessionId);
    expect(running.map((task) => task.taskId)).toEqual([taskId]);
    await subject.provider.stop(taskId, "done");
  });

  it("stops a sandbox that is still starting", async () => {
    const taskId = await launched(subject, request());
    expect(["starting", "running"]).toContain(await subject.provider.describe(taskId));
    await subject.provider.stop(taskId, "not needed any more");
    await subject.untilState(taskId, "stopped");
    expect(await subject.provider.describe(taskId)).toBe("stopped");
  });

  it("lists what runs, whose it is and since when, and nothing that was stopped", async () => {
    const launches = Array.from({ length: 3 }, (_, epoch) => request({ epoch: epoch + 1 }));
    const before = Date.now();
    const taskIds = await Promise.all(launches.map((launch) => launched(subject, launch)));
    const gone = await launched(subject, request());
    await subject.provider.stop(gone, "done");
    const running = await everything();
    for (const [index, { tenantId, sessionId, epoch }] of launches.entries()) {
      const found = running.filter(({ taskId }) => taskId === taskIds[index]);
      expect(found).toMatchObject([{ tenantId, sessionId, epoch }]);
      expect(Math.abs((found[0]?.createdAt ?? 0) - before)).toBeLessThan(60_000);
    }
    expect(running.map(({ taskId }) => taskId)).not.toContain(gone);
    await Promise.all(taskIds.map((taskId) => subject.inventory.stop(taskId, "done")));
  });

  it("knows nothing of a task that never was, and can be told to stop it", async () => {
    const taskId = await launched(subject, request());
    const foreign = taskId.replace(/[0-9a-f]{8}$/, "00000000");
    expect(await subject.provider.describe(foreign)).toBe("unknown");
    await subject.provider.stop(foreign, "gone");
    await subject.provider.stop(taskId, "done");
  });

  it("numbers its notices, so that a duplicate or a late one can be told", async () => {
    const taskId = await launched(subject, request());
    await subject.untilState(taskId, "running");
    await subject.provider.stop(taskId, "done");
    await subject.untilState(taskId, "stopped");
    const notices = subject.notices(taskId);
    const versions = notices.map((notice) => notice.version);
    expect(versions).toEqual([...new Set(versions)].toSorted((left, right) => left - right));
    const states = notices.map((notice) => notice.state);
    expect(states.indexOf("running")).toBeGreaterThan(states.indexOf("starting"));
    expect(states.at(-1)).toBe("stopped");
  });

  it("names the network policies it can keep", () => {
    expect(subject.provider.capabilities.networkPolicies.length).toBeGreaterThan(0);
  });
}
