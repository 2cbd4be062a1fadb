/** Only these may be logged: never content, tokens or secrets. */
export interface LogFields {
  request_id?: string;
  tenant_id?: string;
  user_id?: string;
  session_id?: string;
  turn_id?: string;
  connection_id?: string;
  call_id?: string;
  epoch?: number;
  step?: number;
  frame?: string;
  route?: string;
  status?: number;
  code?: string;
  error?: string;
  stack?: string;
  duration_ms?: number;
  count?: number;
}

export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
