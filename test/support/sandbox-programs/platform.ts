import { startTestEcs } from "../test-ecs.ts";

/** A platform with one running task, to be killed: prints what its processes can be found by, and its folder. */
async function main() {
  const ecs = await startTestEcs();
  const { taskArn } = await ecs.run();
  await ecs.ready(taskArn);
  const marker = `8${Math.floor(Math.random() * 1e6)}`;
  for (const container of ["supervisor", "toolbox"] as const) {
    await ecs.shell(taskArn, container, `nohup sleep ${marker} >/dev/null 2>&1 & echo`);
  }
  console.log(JSON.stringify({ marker, directory: ecs.directory }));
}

void main();
