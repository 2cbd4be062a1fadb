import { runReconnect } from "./scenario.ts";

jest.setTimeout(180_000);

const seed = Number(process.env["RECONNECT_SEED"] ?? 20261121);
const cuts = Number(process.env["RECONNECT_CUTS"] ?? 1000);

test(`${cuts} cuts at random points: every client assembles the server's log, byte for byte`, async () => {
  const losses = { slow: 0.01, gone: 0.005, silent: 0.02, late: 0.03 };
  const seen = await runReconnect({ seed, cuts, sessions: 2, watchersOfEach: 30, losses });
  console.log(JSON.stringify(seen.figures));
  expect(seen.failures).toEqual([]);
  for (const { seen: transcript, log } of seen.transcripts) expect(transcript).toEqual(log);
  expect(seen.wrongTexts).toEqual([]);
  expect(seen.figures.cuts).toBeGreaterThanOrEqual(cuts);
  const { slow, gone, silent, blocksSeenWhole } = seen.figures;
  // Else nothing of this was tested.
  for (const count of [slow, gone, silent, blocksSeenWhole]) expect(count).toBeGreaterThan(0);
});
