import { invalidRequest } from "./failure.ts";
import type { ObjectFiles } from "./object-files.ts";
import type { ObjectRequest } from "./object-request.ts";
import { escapeXml } from "./xml.ts";

const maxPage = 1000;

interface Page {
  keys: string[];
  commonPrefixes: string[];
  /** The last key or prefix of a page that is not the last one. */
  next: string | null;
}

/** ListObjectsV2: keys in the order of their UTF-8 bytes, a thousand a page. */
export function listObjects(request: ObjectRequest, files: ObjectFiles): string {
  const get = (name: string) => request.query.get(name) ?? "";
  const limit = Math.min(maxPage, pageSize(request.query.get("max-keys")));
  const token = get("continuation-token");
  const after = token === "" ? get("start-after") : Buffer.from(token, "base64url").toString("utf8");
  const prefix = get("prefix");
  const delimiter = get("delimiter");
  const page = pageOf(
    files.keys().filter((key) => key.startsWith(prefix)),
    { prefix, delimiter, after, limit },
  );
  const text = get("encoding-type") === "url" ? encodeURIComponent : escapeXml;
  const fields = [
    ["Name", escapeXml(request.bucket)],
    ["Prefix", text(prefix)],
    ["KeyCount", String(page.keys.length + page.commonPrefixes.length)],
    ["MaxKeys", String(limit)],
    ["IsTruncated", String(page.next !== null)],
    ...(delimiter ? [["Delimiter", text(delimiter)]] : []),
    ...(token ? [["ContinuationToken", escapeXml(token)]] : []),
    ...(page.next === null ? [] : [["NextContinuationToken", Buffer.from(page.next, "utf8").toString("base64url")]]),
    ...(get("encoding-type") === "url" ? [["EncodingType", "url"]] : []),
  ];
  const xml = [
    ...fields.map(([name, value]) => `<${name}>${value}</${name}>`),
    ...page.keys.map((key) => contents(key, files, text)),
    ...page.commonPrefixes.map((common) => `<CommonPrefixes><Prefix>${text(common)}</Prefix></CommonPrefixes>`),
  ].join("");
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${xml}</ListBucketResult>`;
}

function pageOf(matching: string[], wish: { prefix: string; delimiter: string; after: string; limit: number }): Page {
  const page: Page = { keys: [], commonPrefixes: [], next: null };
  let last = "";
  for (const key of matching.sort(byBytes)) {
    const cut = wish.delimiter ? key.indexOf(wish.delimiter, wish.prefix.length) : -1;
    const name = cut < 0 ? key : key.slice(0, cut + wish.delimiter.length);
    if (byBytes(name, wish.after) <= 0 || name === last) continue;
    if (page.keys.length + page.commonPrefixes.length >= wish.limit) return { ...page, next: last || wish.after };
    (cut < 0 ? page.keys : page.commonPrefixes).push(name);
    last = name;
  }
  return page;
}

function contents(key: string, files: ObjectFiles, text: (value: string) => string): string {
  const object = files.find(key);
  if (object === undefined) return "";
  const modified = new Date(object.modifiedAt).toISOString();
  return (
    `<Contents><Key>${text(key)}</Key><LastModified>${modified}</LastModified><ETag>${escapeXml(object.etag)}</ETag>` +
    `<Size>${object.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  );
}

function pageSize(text: string | null): number {
  if (text === null) return maxPage;
  if (!/^\d+$/.test(text)) throw invalidRequest("max-keys is not a number");
  return Number(text);
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one, "utf8"), Buffer.from(other, "utf8"));
}
