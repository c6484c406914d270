import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { AttemptEnd } from "../../connection/mark.ts";
import type { FailedCall } from "../../call/failed-call.ts";
import { shownText } from "../../shown-text.ts";
import type { RecordedCall } from "./recorded-call.ts";
import { sourceAdvice } from "./source-advice.ts";

/** A call that failed, as far as advice depends on it. */
export interface Failure {
  readonly code: Code;
  /** The error's text. */
  readonly text: string;
  readonly call: FailedCall;
  readonly record: RecordedCall | undefined;
}

/** What texts of this library's own errors mean, and what to do. The first that matches is given. */
const BY_TEXT: readonly (readonly [RegExp, string])[] = [
  [
    /: the transport is closed$/,
    "The call was made after close(). Create the transport once for the whole program, and close it last.",
  ],
  [
    /as many as maxWaiting allows/,
    "Too many calls wait already. Look at why they wait; the option maxWaiting says how many may.",
  ],
  [
    /as many as maxInFlight(PerEndpoint)? allows/,
    "The options maxInFlight and maxInFlightPerEndpoint refuse calls beyond these. Add servers, send less, or raise them.",
  ],
  [/: not sent: /, "The transport's throttle refused it, because servers recently accepted too few calls: send less."],
  [/the policy's picker /, 'The policy is broken: its picker must return a connection, "wait" or an Error.'],
  [
    /the filter accepts no endpoint/,
    "The function given to filter() accepts none of the endpoints for this call: compare what it asks for, such as " +
    "metadata or a header, with what the endpoints and the call have.",
  ],
  [
    /is empty$|is empty[;:]/,
    "The transport was given no endpoints: pass addresses to staticResolver(), or the resolver of a registry.",
  ],
  [
    /has no endpoints: has a server registered/,
    "Check that a server is registered, under this very name: npx connect-lb ls",
  ],
  [
    /as many calls in flight as its server allows|as many calls in flight as their server/,
    "The servers are full: add servers, or raise their MAX_CONCURRENT_STREAMS.",
  ],
  [
    /every endpoint is failing[^]*\b(ENOTFOUND|EAI_AGAIN)\b/,
    "The host name of an endpoint can't be resolved from here: check how it is spelt, and DNS.",
  ],
  [
    /every endpoint is failing/,
    "No server can be reached. Check that they run at these addresses, and that TLS is used at both ends or at neither.",
  ],
  [
    /no connection within/,
    "No connection was ready in time. Check the network to the servers; waitTimeoutMs says how long calls wait.",
  ],
  [
    /no other server is tried/,
    "The request itself makes servers end the connection. Check what is special about it: its size, its headers.",
  ],
];

/** What the codes of servers' own answers usually mean. */
const BY_ANSWER: Readonly<Partial<Record<Code, string>>> = {
  [Code.Unimplemented]: "It doesn't have this method: is it the right service, and the right version?",
  [Code.Unauthenticated]: "It did not accept who the caller is: check the credentials that are sent.",
  [Code.PermissionDenied]: "It knows who the caller is, and forbids the call.",
  [Code.ResourceExhausted]: "It is overloaded, or a quota is used up: send less, or limit with maxInFlightPerEndpoint.",
  [Code.DeadlineExceeded]: "It ran out of time itself: see what it waited for.",
  [Code.Unavailable]: "It is up, and says that it can't serve now: is something that it depends on down?",
};

/** What to do about a failed call, line by line. */
export function adviceFor(failure: Failure): string[] {
  const { call, code, text } = failure, { attempts } = call;
  const last = attempts.at(-1);
  if (last?.end === "answered") {
    const where = `The server at ${shownText(last.address)} answered with this error itself: look at its logs.`;
    const hint = BY_ANSWER[code];
    return hint === undefined ? [where] : [where, hint];
  }
  if (code === Code.Canceled) return ["Its caller aborted it, or stopped reading: nothing is wrong with the servers."];
  const lines: string[] = [];
  // What is said of the endpoints' source is about no endpoint.
  const stale = /(?:^|; )stale for [\d.]+ s: [^]*/.exec(text)?.[0], own = stale ? text.slice(0, -stale.length) : text;
  const known = BY_TEXT.find(([pattern]) => pattern.test(own));
  if (code === Code.DeadlineExceeded) lines.push(...lateness(failure));
  if (known !== undefined) lines.push(known[1]);
  lines.push(...sourceAdvice(own, stale, call.balancer));
  if (/\bejected\b|\bpanic\b/.test(text)) {
    lines.push("Endpoints were ejected because their calls failed: look at what those servers answer.");
  }
  if (last !== undefined && known === undefined) lines.push(...afterAttempts(failure, last.end));
  return lines.length === 0 ? ["Nothing more is known than its text says."] : lines;
}

function lateness({ call: { attempts, limit }, text, record }: Failure): string[] {
  if (/: timeoutMs is /.test(text)) {
    return ["It was given no time: a caller's own deadline had passed before it began."];
  }
  const made = Math.max(attempts.length, record?.attempts.length ?? 0);
  const whose = limit === undefined || limit.from === "the call"
    ? []
    : [`Its timeout of ${limit.ms} ms is not its own: it comes from ${limit.from}.`];
  if (made === 0) return ["Its time was up before it got a connection.", ...whose];
  return [
    "Its server did not answer in time: see whether it is slow, or whether the timeout is too short for the method.",
    ...whose,
  ];
}

/** After attempts of which no server's answer came. */
function afterAttempts({ call: { attempts, method }, code }: Failure, end: AttemptEnd): string[] {
  if (end !== "maybe-processed") {
    return ["No server took it, so it can safely be repeated. Servers that restart, or are full, decline calls."];
  }
  if (code === Code.DeadlineExceeded) return [];
  const lost = "The connection was lost with the call in flight: did its server crash, or restart without a drain?";
  const repeated = attempts.slice(0, -1).some((attempt) => attempt.end === end || attempt.end === "answered");
  if (repeated || method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN) return [lost];
  return [
    lost,
    "It was not repeated, as the server may have processed it. If that does no harm, mark the method in its schema " +
    "(option idempotency_level = IDEMPOTENT), or list it in the transport's retry.methods.",
  ];
}
