/** What is shorter stands in too much that is no secret. */
const shortestSecret = 6;
/** Of encoded forms, which may lose characters at both ends. */
const shortestEncoded = 8;

/** What a value looks like inside a base64 text, wherever it begins in it: less what depends on its neighbours. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replaceAll("=", "");
    const from = Math.ceil((shift * 8) / 6);
    const to = Math.floor(((shift + bytes.length) * 8) / 6);
    return text.slice(from, to);
  });
}

function formsOf(value: string): string[] {
  const base64 = base64Forms(value);
  const encoded = [
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    Buffer.from(value).toString("hex"),
    encodeURIComponent(Buffer.from(value).toString("utf8")),
    JSON.stringify(value).slice(1, -1),
  ];
  return [value, ...encoded.filter((text) => text.length >= shortestEncoded)];
}

interface Form {
  text: string;
  /** Of the variable. */
  name: string;
}

/** Two characters at a place of a text, as a number that a table of flags has room for. */
const pairAt = (text: string, at: number) => ((text.charCodeAt(at) * 31) ^ text.charCodeAt(at + 1)) & 0xffff;

/** The texts that nobody may read, made once for as long as the values are the same. */
export class SecretTexts {
  /** By their first characters; the longest first, since a value may contain another one. */
  readonly #forms = new Map<string, Form[]>();
  readonly #pairs = new Uint8Array(0x10000);
  #longest = 0;

  constructor(values: Iterable<readonly [name: string, value: string]>) {
    const known = new Set<string>();
    for (const [name, value] of values) {
      if (value.length < shortestSecret) continue;
      for (const text of formsOf(value)) {
        if (!known.has(text)) this.#add({ text, name });
        known.add(text);
      }
    }
    for (const forms of this.#forms.values()) forms.sort((left, right) => right.text.length - left.text.length);
  }

  /** What may be shown of a text that goes on, and what must wait for the rest of it. */
  split(text: string, goesOn: boolean): { shown: string; held: string } {
    if (this.#longest === 0) return { shown: text, held: "" };
    const open = goesOn ? this.#openFrom(text) : text.length;
    let [shown, from, at] = ["", 0, 0];
    while (at < open) {
      const found = this.#pairs[pairAt(text, at)] === 1 ? this.#formAt(text, at) : undefined;
      if (found === undefined) {
        at += 1;
        continue;
      }
      shown += `${text.slice(from, at)}[${found.name} redacted]`;
      at += found.text.length;
      from = at;
    }
    return { shown: shown + text.slice(from, Math.max(from, open)), held: text.slice(Math.max(from, open)) };
  }

  #add(form: Form): void {
    const start = form.text.slice(0, shortestSecret);
    this.#forms.set(start, [...(this.#forms.get(start) ?? []), form]);
    this.#pairs[pairAt(start, 0)] = 1;
    this.#longest = Math.max(this.#longest, form.text.length);
  }

  #formAt(text: string, at: number): Form | undefined {
    const forms = this.#forms.get(text.slice(at, at + shortestSecret));
    return forms?.find((form) => text.startsWith(form.text, at));
  }

  /** From where on the end of the text may be the beginning of one of them. */
  #openFrom(text: string): number {
    const last = text.length - shortestSecret;
    for (let at = Math.max(0, text.length - this.#longest + 1); at <= last; at += 1) {
      if (this.#pairs[pairAt(text, at)] !== 1) continue;
      const end = text.slice(at);
      const forms = this.#forms.get(end.slice(0, shortestSecret)) ?? [];
      if (forms.some((form) => form.text.length > end.length && form.text.startsWith(end))) return at;
    }
    const starts = [...this.#forms.keys()];
    for (let at = Math.max(0, last + 1); at < text.length; at += 1) {
      const end = text.slice(at);
      if (starts.some((start) => start.startsWith(end))) return at;
    }
    return text.length;
  }
}

/** Takes secrets out of one stream of text, also where its pieces cut through them. */
export class Redactor {
  /** As they are known by now: a stream may be open for hours. */
  readonly #secrets: () => SecretTexts;
  #held = "";

  constructor(secrets: () => SecretTexts) {
    this.#secrets = secrets;
  }

  push(text: string): string {
    const { shown, held } = this.#secrets().split(this.#held + text, true);
    this.#held = held;
    return shown;
  }

  /** The stream has ended, or is silent: what was held is none, as far as it goes. */
  flush(): string {
    const { shown } = this.#secrets().split(this.#held, false);
    this.#held = "";
    return shown;
  }
}
