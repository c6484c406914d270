import { textOfCauses } from "../../../connection/causes.ts";
import { readMark } from "../../../connection/mark.ts";
import { classifyTransportError } from "../../../connection/transport-error.ts";
import { escapedText, shownText } from "../../../shown-text.ts";
import type { FailureKind } from "../driver.ts";
import { kindOfRefusal } from "../failure.ts";
import { isRecord, type Json } from "./message.ts";

/** A request to the gateway failed: etcd refused it, something else answered, or no answer arrived. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  /** The gRPC code of etcd's refusal. Another number: something else refused the request. */
  readonly code: number | undefined;

  constructor(message: string, code?: number, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }

  /** Whether etcd refused it: its errors have gRPC's codes, and those of what stands before it HTTP's, or none. */
  get refused(): boolean {
    return this.code !== undefined && Number.isInteger(this.code) && this.code >= 1 && this.code <= 16;
  }
}

/**
 * The error that an answer holds, if it does. etcd's versions differ: `{ error: TEXT, message, code }` up to 3.5,
 * `{ message, code }` from 3.6 on, and within streams `{ error: { message, code } }` or, up to 3.5,
 * `{ error: { message, grpc_code } }`. The HTTP status is not looked at: one and the same refusal has different ones.
 */
export function refusalIn(answer: Json): GatewayError | undefined {
  const { error } = answer;
  const details = isRecord(error) ? error : answer;
  const code = details["grpc_code"] ?? details["code"];
  const message = details["message"] ?? error;
  if (typeof code !== "number" && typeof message !== "string") return undefined;
  return new GatewayError(typeof message === "string" ? shownText(message) : "etcd gave no reason", Number(code));
}

/** What to look for if something other than etcd's answer arrives with this HTTP status. */
const HINTS: Readonly<Record<number, string>> = {
  404: "is this etcd's JSON gateway? It is served by etcd 3.4 and later, unless it runs with " +
    "--enable-grpc-gateway=false or with --listen-client-http-urls, which moves it to another port; " +
    "etcd's grpc-proxy does not serve it",
  421: "etcd does not expect this host name: see its option --host-whitelist",
};

/** The error for an answer that is not etcd's. */
export function unreadable(status: number, body: string): GatewayError {
  const hint = HINTS[status];
  const [line = ""] = body.split("\n");
  return new GatewayError(`HTTP ${status}${hint === undefined ? "" : `: ${hint}`}: ${quoted(line)}`);
}

function quoted(text: string): string {
  return text === "" ? "an empty answer" : escapedText(JSON.stringify(text.slice(0, 200)));
}

/** The error for a request that was not answered: runtimes name the reason in the chain of causes. */
export function unanswered(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError(shownText(textOfCauses(thrown)), undefined, thrown);
}

export function classify(error: unknown): FailureKind {
  const refused = error instanceof GatewayError && error.code !== undefined;
  return refused ? kindOfRefusal(error.message, error.code) : "transient";
}

/** Whether an error means that the request was never sent. */
export function unsent(error: unknown): boolean {
  return (readMark(error) ?? classifyTransportError(error)) === "not-sent";
}
