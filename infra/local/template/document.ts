import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

const Resource = z.looseObject({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  Metadata: z.record(z.string(), z.unknown()).default({}),
  Condition: z.string().optional(),
});

const Document = z.looseObject({
  Parameters: z.record(z.string(), z.looseObject({ Default: z.unknown().optional() })).default({}),
  Mappings: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown()))).default({}),
  Conditions: z.record(z.string(), z.unknown()).default({}),
  Resources: z.record(z.string(), Resource),
});

export type TemplateResource = z.output<typeof Resource>;
/** A CloudFormation template as `cdk synth` writes it, intrinsics unresolved. */
export type TemplateDocument = z.output<typeof Document>;

export function parseDocument(value: unknown): TemplateDocument {
  return Document.parse(value);
}

/** The one `*.template.json` of a cloud assembly directory. Throws where there is none, or more than one. */
export function loadDocument(directory: string): { stackName: string; document: TemplateDocument } {
  const files = readdirSync(directory).filter((file) => file.endsWith(".template.json"));
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new Error(`expected one stack in ${directory}, found ${files.length === 0 ? "none" : files.join(", ")}`);
  }
  const document = parseDocument(JSON.parse(readFileSync(join(directory, file), "utf8")));
  return { stackName: file.slice(0, -".template.json".length), document };
}
