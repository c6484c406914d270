// `npm run example:browser`: a page that calls three servers, picks one for each call and survives when one stops.
//
//   PORT   where to serve the page (default 8080; port 0 takes a free one)
import { fail, wholeNumber } from "../environment.ts";
import { startSite } from "./site.ts";

try {
  const { url } = await startSite(wholeNumber("PORT", 8_080, 0));
  console.log(`open ${url} (with gRPC-Web: ${url}#grpc-web)`);
} catch (error) {
  fail(error);
}
