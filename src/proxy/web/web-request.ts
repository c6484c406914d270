// Which of the web's protocols a request speaks, by its method and content type.

/** How a request of the web is written. */
export interface WebProtocol {
  readonly name: "connect-unary" | "connect-stream" | "grpc-web" | "grpc-web-text";
  readonly format: "proto" | "json";
}

const TYPES: Readonly<Record<string, WebProtocol>> = {
  "application/proto": { name: "connect-unary", format: "proto" },
  "application/json": { name: "connect-unary", format: "json" },
  "application/connect+proto": { name: "connect-stream", format: "proto" },
  "application/connect+json": { name: "connect-stream", format: "json" },
  "application/grpc-web": { name: "grpc-web", format: "proto" },
  "application/grpc-web+proto": { name: "grpc-web", format: "proto" },
  "application/grpc-web+json": { name: "grpc-web", format: "json" },
  "application/grpc-web-text": { name: "grpc-web-text", format: "proto" },
  "application/grpc-web-text+proto": { name: "grpc-web-text", format: "proto" },
};

/** The protocol of a content type; undefined for that of anything else. Parameters such as a charset don't count. */
export function webProtocol(contentType: string): WebProtocol | undefined {
  const type = contentType.split(";", 1)[0]!.trim().toLowerCase();
  return Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
}

/** The authority and the path of a URL as the client sent them, without a query. */
export function destinationOf(url: string): { readonly authority: string; readonly path: string } {
  const from = url.indexOf("://") + 3, slash = url.indexOf("/", from);
  const path = url.slice(slash), query = path.indexOf("?");
  return { authority: url.slice(from, slash), path: query < 0 ? path : path.slice(0, query) };
}

/** Whether clients of a protocol may send requests and read responses at the same time. */
export function isLongLived(contentType: string): boolean {
  return webProtocol(contentType)?.name === "connect-stream";
}
