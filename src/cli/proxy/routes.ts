import { usageError } from "../exit.ts";

/** A route as the command line says it. */
export interface RouteText {
  readonly service: string;
  readonly authority?: string;
  readonly path?: string;
  readonly port?: number;
}

const KEYS: readonly string[] = ["service", "authority", "path", "port"];
const EXAMPLE = "--route path=/proto.Simple,service=simple_grpc";

/** Reads `authority=…,path=…,port=…,service=…`. @throws CliError for anything else */
export function routeOf(text: string): RouteText {
  const parts = new Map<string, string>();
  for (const part of text.split(",")) {
    const at = part.indexOf("="), name = part.slice(0, Math.max(0, at)).trim(), value = part.slice(at + 1).trim();
    if (!KEYS.includes(name) || value === "") {
      throw usageError(
        `--route ${JSON.stringify(text)}: expected ${KEYS.join("=…, ")}=…, separated by commas`,
        EXAMPLE,
      );
    }
    if (parts.has(name)) throw usageError(`--route ${JSON.stringify(text)} has two of ${name}`);
    parts.set(name, value);
  }
  const service = parts.get("service"), authority = parts.get("authority"), path = parts.get("path");
  if (service === undefined) throw usageError(`--route ${JSON.stringify(text)} says no service`, EXAMPLE);
  return {
    service,
    ...authority !== undefined && { authority },
    ...path !== undefined && { path },
    ...parts.has("port") && { port: Number(parts.get("port")) },
  };
}
