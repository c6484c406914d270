// What the servers that are compared serve: one service, whose answers are asked for by the text of a message.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { Simple, SimpleRequestSchema, SimpleResponseSchema } from "../../../gen/simple_pb.ts";

/** Options that both servers are given, by name. */
export const OPTIONS = {
  usual: {},
  limited: { readMaxBytes: 100, writeMaxBytes: 1_000, maxTimeoutMs: 60_000 },
} as const;
export type OptionsName = keyof typeof OPTIONS;

/** How aborted calls ended: the code of the signal's reason, by what the call's message says after `wait `. */
const aborted = new Map<string, string>();

/** Waits for the end of the call, which {@link COMMANDS} `aborted <name>` tells of. */
function wait(name: string, { signal }: HandlerContext): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      const { reason } = signal;
      aborted.set(name, reason instanceof ConnectError ? Code[reason.code] : String(reason));
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  });
}

const DETAIL = create(SimpleRequestSchema, { data: "detail" });

/** Each kind of answer, and what its argument (the text behind the first space) means. */
const COMMANDS: Readonly<Record<string, (context: HandlerContext, argument: string) => unknown>> = {
  code: (_, code) => new ConnectError(`code ${code}`, Number(code)),
  message: (_, message) => new ConnectError(message, Code.Aborted),
  "long-message": () => new ConnectError("m".repeat(3_000), Code.Aborted),
  detail: () => new ConnectError("one", Code.NotFound, undefined, [{ desc: SimpleRequestSchema, value: DETAIL }]),
  details: () =>
    new ConnectError("two", Code.Internal, undefined, [
      { desc: SimpleRequestSchema, value: DETAIL },
      { desc: SimpleResponseSchema, value: { code: 7, value: "näh" } },
    ]),
  "error-metadata": () =>
    new ConnectError("m", Code.DataLoss, { "x-error": "e", "x-error-bin": "AAEC", "x-twice": "a, b" }),
  cause: () => new ConnectError("outer", Code.Unknown, undefined, undefined, new Error("secret")),
  error: () => new Error("secret"),
  "type-error": () => new TypeError("secret"),
  string: () => "secret",
  nothing: () => undefined,
  canceled: () => new DOMException("given up", "AbortError"),
};

/** What a text is answered with, unless it is a command that fails: that is thrown. */
async function answer(data: string, context: HandlerContext): Promise<{ code: number; value: string }> {
  const [command = "", argument = ""] = data.split(/ (.*)/s);
  const fail = COMMANDS[command];
  if (fail !== undefined) throw fail(context, argument);
  switch (command) {
    case "wait":
      await wait(argument, context);
      break;
    case "aborted":
      return { code: 200, value: aborted.get(argument) ?? "not aborted" };
    case "headers":
      context.responseHeader.set("x-answer", argument);
      context.responseHeader.append("x-many", "1");
      context.responseHeader.append("x-many", "2");
      context.responseHeader.set("x-answer-bin", "AAECAw");
      context.responseTrailer.set("x-end", argument);
      context.responseTrailer.set("x-end-bin", "/+8");
      context.responseTrailer.append("x-many", "3");
      break;
    case "headers-error":
      context.responseHeader.set("x-answer", argument);
      context.responseTrailer.set("x-end", argument);
      throw new ConnectError("after headers", Code.Unavailable, { "x-error": "e" });
    case "reserved":
      context.responseHeader.set("grpc-status", "5");
      context.responseTrailer.set("grpc-message", "none of yours");
      break;
    case "cookies":
      context.responseHeader.append("set-cookie", "a=1");
      context.responseHeader.append("set-cookie", "b=2");
      break;
    case "characters":
      return { code: 200, value: "y".repeat(Number(argument)) };
    case "wrong":
      return { code: 2 ** 40, value: "no int32" };
    case "context":
      return { code: 200, value: JSON.stringify(seen(context)) };
    case "sent":
      return { code: 200, value: JSON.stringify(headersOf(context.requestHeader)) };
  }
  return { code: 200, value: `hello ${data}` };
}

/** What a handler can know of its call. The time left is given to half a minute. */
function seen({ method, service, protocolName, requestMethod, url, timeoutMs }: HandlerContext): unknown {
  const left = timeoutMs();
  return {
    method: method.name,
    service: service.typeName,
    protocolName,
    requestMethod,
    path: new URL(url).pathname,
    timeout: left === undefined ? null : Math.round(left / 30_000) / 2,
  };
}

function headersOf(headers: Headers): string[] {
  return [...headers].filter(([name]) => !name.startsWith(":") && name !== "host").map(([name, value]) =>
    `${name}: ${value}`
  ).sort();
}

export function differentialRoutes(router: ConnectRouter): void {
  router.service(Simple, {
    route: ({ data }, context) => answer(data, context),
    // `<count> <text>`: so many answers to the text, and then what the text fails with, if it does.
    async *routeServerStream({ data }, context) {
      const [count, text = ""] = data.split(/ (.*)/s);
      const first = { code: 200, value: "first" };
      for (let i = 0; i < Number(count); i++) yield first;
      if (text !== "") yield await answer(text, context);
    },
    async routeClientStream(requests, context) {
      const texts: string[] = [];
      for await (const { data } of requests) texts.push(data);
      return await answer(texts.length === 1 ? texts[0]! : texts.join(","), context);
    },
    async *routeBidiStream(requests, context) {
      for await (const { data } of requests) yield await answer(data, context);
    },
  });
}
