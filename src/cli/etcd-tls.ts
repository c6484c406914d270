import type { TlsOptions, TlsSource } from "../node/tls-options.ts";
import type { Context } from "./command.ts";
import type { ETCD_OPTIONS } from "./etcd-options.ts";
import { usageError } from "./exit.ts";
import { pemFile } from "./pem-file.ts";

const FILES = ["cacert", "cert", "key"] as const;
const SKIP = "insecure-skip-tls-verify";

/**
 * TLS to etcd as the options say. Undefined: none of them is given, or etcdctl's variables are set but the endpoints
 * are `http://`. The files are read now, and again for each connection, as certificates are renewed.
 *
 * @throws CliError if a file can't be read, and for options that contradict each other.
 */
export function tlsOf({ options, sources }: Context<typeof ETCD_OPTIONS>): TlsSource | undefined {
  const skip = options[SKIP];
  const given = ([...FILES, SKIP] as const).filter((name) => options[name] !== undefined && options[name] !== false);
  if (given.length === 0) return undefined;
  if (/(^|,)\s*http:/i.test(options.endpoints)) {
    const flag = given.find((name) => sources[name]?.startsWith("-"));
    if (flag === undefined) return undefined;
    throw usageError(`--${flag} is for TLS, which ${options.endpoints} doesn't use`, "give endpoints as https://…");
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    const [there, missing] = options.cert === undefined ? ["key", "cert"] as const : ["cert", "key"] as const;
    throw usageError(`${sources[there]} needs --${missing} beside it`);
  }
  const read = (): TlsOptions => {
    const [ca, cert, key] = FILES.map((name) => {
      const path = options[name];
      return path === undefined ? undefined : pemFile(sources[name] ?? `--${name}`, path);
    });
    return {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(skip ? { rejectUnauthorized: false } : {}),
    };
  };
  read();
  return read;
}
