/** The error codes of RFC 9113 section 7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

const names = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** `CANCEL (0x8)`; an unknown code as its number alone. */
export function errorCodeText(code: number): string {
  const name = names.get(code);
  return name === undefined ? `0x${code.toString(16)}` : `${name} (0x${code.toString(16)})`;
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
