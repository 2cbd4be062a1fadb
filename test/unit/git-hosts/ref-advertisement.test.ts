import { parseRefAdvertisement } from "../../../shared/adapters/ref-advertisement.ts";

const packet = (text: string) => (text.length + 4).toString(16).padStart(4, "0") + text;
const id = "a".repeat(40);
const head = packet("# service=git-upload-pack\n") + "0000";
const parse = (text: string) => parseRefAdvertisement(Buffer.from(text));

it("reads branches and where HEAD points", () => {
  const body =
    head +
    packet(`${id} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git\n`) +
    packet(`${id} refs/heads/main\n`) +
    packet(`${id} refs/heads/a/b\n`) +
    packet(`${id} refs/tags/v1\n`) +
    "0000";
  expect(parse(body)).toEqual({
    defaultBranch: "main",
    branches: new Map([
      ["main", id],
      ["a/b", id],
    ]),
  });
});

it("reads an empty repository", () => {
  expect(parse(`${head}${packet(`${"0".repeat(40)} capabilities^{}\0agent=git\n`)}0000`)).toEqual({
    defaultBranch: null,
    branches: new Map(),
  });
  expect(parse(`${head}0000`)).toEqual({ defaultBranch: null, branches: new Map() });
});

it("caps the branches", () => {
  const lines = Array.from({ length: 3_000 }, (_, index) => packet(`${id} refs/heads/b${index}\n`)).join("");
  expect(parse(`${head}${lines}0000`)?.branches.size).toBe(2_000);
});

it.each([
  "",
  "<html>",
  "0000",
  "zzzz",
  "0003",
  packet("# service=git-receive-pack\n"),
  `${head}ffffx`,
  `${head}${packet("not an id refs/heads/main\n")}`,
  `${head}0008ab`,
])("refuses %j", (body) => {
  expect(parse(body)).toBeNull();
});
