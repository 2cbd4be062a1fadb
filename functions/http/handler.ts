import { httpHandler } from "../kit/http.ts";
import { liveHttp } from "../live/http.ts";
import { routes } from "./routes.ts";

export const handler = httpHandler(routes, liveHttp);
