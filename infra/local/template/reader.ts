import type * as z from "zod";
import type { TemplateDocument, TemplateResource } from "./document.ts";
import { holds, resolve, type Scope } from "./intrinsics.ts";
import { physicalNames } from "./physical.ts";

/** Typed access to the resources of one template. */
export interface Reader {
  ofType(...types: string[]): { id: string; resource: TemplateResource }[];
  /** The resource's properties that the schema names, resolved and parsed. Errors say which resource and why. */
  read<S extends z.ZodObject>(id: string, schema: S): z.output<S>;
  /** Every property, resolved. */
  readAll(id: string): Record<string, unknown>;
  name(id: string): string;
  ref(id: string): string;
  arn(id: string): string;
  /** The construct's own id: the logical id without the hash that CDK puts behind it. */
  label(id: string): string;
  /** The resource of this type whose ARN or `Ref` the text is, or names in an invocation URI. */
  find(type: string, text: string): string;
}

export function createReader(stackName: string, document: TemplateDocument): Reader {
  const physical = physicalNames(document);
  const scope: Scope = { stackName, document, physical };
  const get = (id: string): TemplateResource => {
    const resource = document.Resources[id];
    if (resource === undefined) throw new Error(`${id} is not in the template`);
    return resource;
  };
  const resolveProperties = (id: string, names?: string[]) => {
    const properties = get(id).Properties;
    const wanted = Object.entries(properties).filter(([name]) => names === undefined || names.includes(name));
    return inResource(id, get(id).Type, () => resolve(Object.fromEntries(wanted), scope)) as Record<string, unknown>;
  };
  const reader: Reader = {
    ofType: (...types) =>
      Object.entries(document.Resources)
        .filter(([, resource]) => types.includes(resource.Type))
        .filter(([, resource]) => resource.Condition === undefined || holds(resource.Condition, scope))
        .map(([id, resource]) => ({ id, resource })),
    read: (id, schema) =>
      inResource(id, get(id).Type, () => schema.parse(resolveProperties(id, Object.keys(schema.shape)))),
    readAll: (id) => resolveProperties(id),
    name: (id) => physical.name(id),
    ref: (id) => String(physical.ref(id)),
    arn: (id) => String(physical.attribute(id, "Arn")),
    label: (id) => id.replace(/[0-9A-F]{8}$/, "") || id,
    find: (type, text) => {
      const found = reader.ofType(type).find(({ id }) => isNamedBy(text, reader, id));
      if (found === undefined) throw new Error(`${text} is no ${type} of this template`);
      return found.id;
    },
  };
  return reader;
}

function isNamedBy(text: string, reader: Reader, id: string): boolean {
  if (text === reader.ref(id)) return true;
  const arn = reader.arn(id);
  return text === arn || text.includes(`${arn}/invocations`) || text.includes(`${arn}/response-streaming-invocations`);
}

function inResource<T>(id: string, type: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (message.startsWith("template: ")) throw error;
    throw new Error(`template: ${id} (${type}): ${message}`, { cause: error });
  }
}
