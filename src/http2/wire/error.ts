export * as ErrorCode from "./error-code.ts";

/** The names of RFC 9113 section 7, by code. */
const NAMES = (
  "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR " +
  "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split(" ");

/** `CANCEL (0x8)`; an unknown code as its number alone. */
export function errorCodeText(code: number): string {
  const name = NAMES[code];
  return name === undefined ? `0x${code.toString(16)}` : `${name} (0x${code.toString(16)})`;
}

/** `CANCEL`; `UNKNOWN` for an unknown code: there may be any number of those. */
export function errorCodeName(code: number): string {
  return NAMES[code] ?? "UNKNOWN";
}

/** A connection error (RFC 9113 section 5.4.1): the connection can't go on. */
export class Http2Error extends Error {
  override readonly name: string = "Http2Error";
  /** The error code of RFC 9113 section 7. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
