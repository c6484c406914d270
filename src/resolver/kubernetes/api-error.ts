import { shownText } from "../../shown-text.ts";
import { record, text } from "./endpoint-slice.ts";

/** The API server refused a request, or something else answered. */
export class KubernetesError extends Error {
  override readonly name = "KubernetesError";
  /** The HTTP status, also of errors within a watch. */
  readonly status: number;
  /** How long the server wants us to wait before the next request, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** The history since our resource version is gone: the list must be read again. */
  get expired(): boolean {
    return this.status === 410;
  }

  /** It takes a person to fix it. */
  get refused(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** The longest wait that a server may ask for, in milliseconds. */
const MOST_RETRY_AFTER_MS = 60_000;

/** The error for an answer with an error's status. Its body is a `Status` if it is the API server's. */
export function errorOf(
  response: { readonly status: number; readonly headers: Headers },
  body: string,
  namespace: string,
): KubernetesError {
  let message: string | undefined;
  try {
    message = text(record(JSON.parse(body))["message"]);
  } catch {
    // It is not the API server's.
  }
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const retryAfterMs = seconds >= 0 ? Math.min(1_000 * seconds, MOST_RETRY_AFTER_MS) : undefined;
  return refusal(
    response.status,
    message ?? (text(body.split("\n")[0]?.trim()) ?? "no reason"),
    namespace,
    retryAfterMs,
  );
}

/** The error that a watch reports as an event, whose object is a `Status`. */
export function errorInWatch(object: unknown, namespace: string): KubernetesError {
  const { code, message } = record(object);
  return refusal(typeof code === "number" ? code : 500, text(message) ?? "no reason", namespace);
}

function refusal(status: number, message: string, namespace: string, retryAfterMs?: number): KubernetesError {
  const hint = hintFor(status, namespace);
  const said = `the Kubernetes API server answered ${status}: ${shownText(message)}`;
  return new KubernetesError(hint === undefined ? said : `${said} (${hint})`, status, retryAfterMs);
}

function hintFor(status: number, namespace: string): string | undefined {
  switch (status) {
    case 401:
      return "the token is missing or not accepted";
    case 403:
      return `give the service account a Role in the namespace ${namespace} that allows get, list and watch on ` +
        `endpointslices of the API group discovery.k8s.io`;
    case 404:
      return "is this the URL of a Kubernetes API server, 1.21 or newer?";
    default:
      return undefined;
  }
}
