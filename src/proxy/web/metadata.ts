// What of a request's and a response's header fields is metadata.

import { ConnectError } from "@connectrpc/connect";
import { metadataFields, REQUEST_FIELDS, RESPONSE_FIELDS } from "../../grpc/metadata.ts";
import { requestError } from "./request-error.ts";

/** Fields of the web's protocols and of browsers' checks, which concern the proxy alone. */
const OWN = /^(?:connect-.*|access-control-.*|accept|date|keep-alive|x-grpc-web|x-user-agent)$/;

/** The metadata of a request for its server. @throws ConnectError InvalidArgument for what gRPC can't carry */
export function requestMetadata(header: Headers): Headers {
  try {
    return metadata(metadataFields(header, REQUEST_FIELDS));
  } catch (error) {
    throw requestError(ConnectError.from(error).rawMessage);
  }
}

/** The metadata of a response for its client, or of an error. */
export function responseMetadata(header: Headers): Headers {
  return metadata(metadataFields(header, RESPONSE_FIELDS));
}

function metadata(fields: readonly string[]): Headers {
  const headers = new Headers();
  for (let i = 0; i < fields.length; i += 2) {
    if (!OWN.test(fields[i]!)) headers.append(fields[i]!, fields[i + 1]!);
  }
  return headers;
}
