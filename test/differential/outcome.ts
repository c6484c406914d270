import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Behaviour } from "./behaviour.ts";

/** What became of a call, as its caller sees it. */
export interface Outcome {
  /** Texts of the messages that came. */
  readonly messages: readonly string[];
  readonly header?: readonly string[] | undefined;
  readonly trailer?: readonly string[] | undefined;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly wire: boolean;
    readonly metadata: readonly string[];
    readonly details: readonly string[];
  };
}

/** A call that hangs ends with this; no behaviour lasts nearly as long. */
const GUARD_MS = 5_000;

/**
 * Makes the call that a behaviour is about. `aborted` is aborted for behaviours in which the caller aborts; `onError` gets
 * the error itself.
 */
export async function observe(
  transport: Transport,
  behaviour: Behaviour,
  aborted: AbortSignal,
  onError: (error: unknown) => void = () => {},
): Promise<Outcome> {
  const client = createClient(Simple, transport);
  const messages: string[] = [];
  let header: readonly string[] | undefined, trailer: readonly string[] | undefined;
  const options = {
    timeoutMs: behaviour.timeoutMs ?? GUARD_MS,
    onHeader: (headers: Headers) => void (header = list(headers)),
    onTrailer: (headers: Headers) => void (trailer = list(headers)),
    ...(behaviour.abort === true && { signal: aborted }),
  };
  async function* requests() {
    yield { data: "a" };
    yield { data: "b" };
  }
  try {
    switch (behaviour.kind ?? "unary") {
      case "unary":
        messages.push((await client.route({ data: "a" }, options)).value);
        break;
      case "server":
        for await (const { value } of client.routeServerStream({ data: "a" }, options)) messages.push(value);
        break;
      case "client":
        messages.push((await client.routeClientStream(requests(), options)).value);
        break;
      case "bidi":
        for await (const { value } of client.routeBidiStream(requests(), options)) messages.push(value);
    }
    return { messages, header, trailer };
  } catch (error) {
    onError(error);
    if (!(error instanceof ConnectError)) return { messages, error: plain(error) };
    const { code, rawMessage, metadata, details } = error;
    return {
      messages,
      error: {
        code: Code[code] ?? String(code),
        message: rawMessage,
        wire: error.isWireError,
        metadata: list(metadata),
        details: details.map((detail) => "type" in detail ? `${detail.type} ${detail.value}` : detail.desc.typeName),
      },
    };
  }
}

function list(headers: Headers): string[] {
  return [...headers].map(([name, value]) => `${name}: ${value}`).sort();
}

/** An error that is no ConnectError: Connect turns such into one, so it should never be seen. */
function plain(error: unknown): Outcome["error"] & object {
  return { code: "no ConnectError", message: String(error), wire: false, metadata: [], details: [] };
}
