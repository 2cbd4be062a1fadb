import { PortAnnouncements } from "../../../containers/sandbox/src/supervisor/port-announcements.ts";

test("a storm of ports is told of in part, and what opens after it is told of again", () => {
  let now = 0;
  const announcements = new PortAnnouncements(() => now);
  const told = () => Array.from({ length: 500 }, () => announcements.mayTell()).filter(Boolean).length;
  expect(told()).toBe(32);
  now = 9_999;
  expect(told()).toBe(0);
  now = 10_000;
  expect(told()).toBe(32);
});
