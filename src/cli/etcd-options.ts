/** The options of commands that use etcd, with the variables of etcdctl. */
export const ETCD_OPTIONS = {
  endpoints: {
    type: "string",
    value: "URLS",
    help: "etcd's client URLs, separated by commas",
    default: "http://127.0.0.1:2379",
    env: ["CONNECT_LB_ETCD", "ETCDCTL_ENDPOINTS"],
    group: "Options for etcd",
  },
  layout: {
    type: "string",
    value: "NAME",
    help: "how keys and values are spelled",
    choices: ["grpclb", "etcdNaming", "goZero", "kratos", "kitex"],
    default: "grpclb",
    env: ["CONNECT_LB_LAYOUT"],
    group: "Options for etcd",
  },
  prefix: {
    type: "string",
    help: "what all keys begin with, for grpclb (its default is /grpclb) and etcdNaming",
    env: ["CONNECT_LB_PREFIX"],
    group: "Options for etcd",
  },
  cacert: {
    type: "string",
    value: "FILE",
    help: "the CA that etcd's certificate is verified against",
    env: ["ETCDCTL_CACERT"],
    complete: "file",
    group: "Options for etcd",
  },
  cert: {
    type: "string",
    value: "FILE",
    help: "the certificate to show to etcd",
    env: ["ETCDCTL_CERT"],
    complete: "file",
    group: "Options for etcd",
  },
  key: {
    type: "string",
    value: "FILE",
    help: "the key of that certificate",
    env: ["ETCDCTL_KEY"],
    complete: "file",
    group: "Options for etcd",
  },
  "insecure-skip-tls-verify": {
    type: "boolean",
    help: "don't verify etcd's certificate: for tests",
    env: ["ETCDCTL_INSECURE_SKIP_TLS_VERIFY"],
    group: "Options for etcd",
  },
  user: {
    type: "string",
    value: "NAME",
    help: "etcd's user; ETCDCTL_USER may be name:password, otherwise the password is ETCDCTL_PASSWORD",
    env: ["ETCDCTL_USER"],
    group: "Options for etcd",
  },
  "password-file": {
    type: "string",
    value: "FILE",
    help: "a file with the user's password",
    complete: "file",
    group: "Options for etcd",
  },
  timeout: {
    type: "string",
    value: "DURATION",
    help: "how long etcd may take to answer",
    default: "3s",
    env: ["ETCDCTL_COMMAND_TIMEOUT"],
    group: "Options for etcd",
  },
} as const;

/** The variables that hold or lead to what proves who one is to etcd. */
export const ETCD_CREDENTIALS: readonly string[] = [
  "ETCDCTL_USER",
  "ETCDCTL_PASSWORD",
  "ETCDCTL_CERT",
  "ETCDCTL_KEY",
];
