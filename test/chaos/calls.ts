// The kinds of calls that scenarios make, each checked for its whole answer.
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";

/** How many messages a stream carries in each direction. */
export const MESSAGES = 3;

/** `idempotent` is unary; so is `unary`, whose method says nothing of idempotency, as the streams' don't. */
export type Kind = "idempotent" | "unary" | "serverStream" | "clientStream" | "bidi";
export const KINDS: readonly Kind[] = ["idempotent", "unary", "serverStream", "clientStream", "bidi"];

/** Of an id as {@link callId} makes them. */
export function kindOf(id: string): Kind {
  return id.slice(0, id.indexOf("-")) as Kind;
}

/** The id of a call, which is the data of all its requests; servers write it down. */
export function callId(kind: Kind, number: number): string {
  return `${kind}-${number}`;
}

/** The demo service as if its schema said nothing of idempotency. */
const unmarked = (() => {
  const methods = Simple.methods.map((method) => ({
    ...method,
    idempotency: MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN,
  }));
  const byName = Object.fromEntries(methods.map((method) => [method.localName, method]));
  return { ...Simple, methods, method: byName } as unknown as typeof Simple;
})();

/** Makes one call; resolves when its whole answer came and was right. */
export type Caller = (kind: Kind, id: string, options: CallOptions) => Promise<void>;

export function caller(transport: Transport): Caller {
  const marked = createClient(Simple, transport);
  const simple = createClient(unmarked, transport);
  return async (kind, id, options) => {
    switch (kind) {
      case "idempotent":
        return expect(kind, id, [(await marked.route({ data: id }, options)).value]);
      case "unary":
        return expect(kind, id, [(await simple.route({ data: id }, options)).value]);
      case "serverStream":
        return expect(kind, id, await all(simple.routeServerStream({ data: id }, options)));
      case "clientStream":
        return expect(kind, id, [(await simple.routeClientStream(requests(id), options)).value]);
      case "bidi":
        return expect(kind, id, await lockStep(simple, id, options));
    }
  };
}

/** What the servers of scenarios answer to a request, or at the end of several. */
export function answerTo(id: string): string {
  return `hello ${id}`;
}

/** @throws Error if that is not the whole answer to a call */
export function expect(kind: Kind, id: string, values: readonly string[]): void {
  const count = kind === "serverStream" || kind === "bidi" ? MESSAGES : 1;
  if (values.length === count && values.every((value) => value === answerTo(id))) return;
  throw new Error(`wrong answer to ${id}: ${JSON.stringify(values)}`);
}

async function all(responses: AsyncIterable<{ value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of responses) values.push(value);
  return values;
}

async function* requests(id: string): AsyncIterable<{ data: string }> {
  for (let i = 0; i < MESSAGES; i++) yield { data: id };
}

/** Each request goes out when the answer to the one before it is there. */
async function lockStep(simple: Client<typeof Simple>, id: string, options: CallOptions): Promise<string[]> {
  let answered = () => {};
  async function* input() {
    for (let i = 0; i < MESSAGES; i++) {
      const answer = new Promise<void>((resolve) => answered = resolve);
      yield { data: id };
      await answer;
    }
  }
  const values: string[] = [];
  try {
    for await (const { value } of simple.routeBidiStream(input(), options)) {
      values.push(value);
      answered();
    }
  } finally {
    answered();
  }
  return values;
}
