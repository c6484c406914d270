import type { Command } from "./command.ts";
import { balancer } from "./commands/balancer.ts";
import { call } from "./commands/call.ts";
import { complete } from "./commands/complete.ts";
import { completion } from "./commands/completion.ts";
import { doctor } from "./commands/doctor.ts";
import { etcd } from "./commands/etcd.ts";
import { ls } from "./commands/ls.ts";
import { page } from "./commands/page.ts";
import { proxy } from "./commands/proxy.ts";
import { register } from "./commands/register.ts";
import { top } from "./commands/top.ts";
import { watch } from "./commands/watch.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  ls,
  watch,
  register,
  call,
  top,
  doctor,
  page,
  proxy,
  balancer,
  etcd,
  completion,
  complete,
];
