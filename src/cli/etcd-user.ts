import type { Context } from "./command.ts";
import type { ETCD_OPTIONS } from "./etcd-options.ts";
import { usageError } from "./exit.ts";
import { readTextFile } from "./files.ts";

/** A user of etcd's. */
export interface EtcdUser {
  readonly name: string;
  readonly password: string;
  /** Where its name is from: `--user` or `ETCDCTL_USER`. */
  readonly from: string;
}

/**
 * The user that the options and the environment name. Its password is no option: anyone on the machine can read a
 * process's arguments.
 *
 * @throws CliError if a part of it is missing.
 */
export function userOf({ options, sources, io }: Context<typeof ETCD_OPTIONS>): EtcdUser | undefined {
  const { user: text } = options, file = options["password-file"];
  if (text === undefined) {
    if (file === undefined) return undefined;
    throw usageError("--password-file needs a user", "give --user NAME, or ETCDCTL_USER");
  }
  const from = sources.user ?? "--user";
  const [, name = "", password] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (name === "") throw usageError(`${from} has no name`);
  if (password !== undefined && from === "--user") {
    throw usageError(
      "--user holds a password, which every user of this machine can read there",
      "give it as ETCDCTL_USER=name:password, as ETCDCTL_PASSWORD, or with --password-file",
    );
  }
  if (file !== undefined) {
    return { name, password: readTextFile("--password-file", file).replace(/\r?\n$/, ""), from };
  }
  const secret = password ?? io.env["ETCDCTL_PASSWORD"];
  if (secret !== undefined) return { name, password: secret, from };
  throw usageError(
    `the user ${JSON.stringify(name)} (${from}) has no password`,
    "give it as ETCDCTL_PASSWORD, in ETCDCTL_USER=name:password, or with --password-file",
  );
}
