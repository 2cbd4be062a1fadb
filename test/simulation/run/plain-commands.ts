/** Stands in for `@aws-sdk/lib-dynamodb` in the simulator's bundle: the SDK's commands cost more than the table behind them. */
class Command {
  readonly input: unknown;

  constructor(input: unknown) {
    this.input = input;
  }
}

export class BatchGetCommand extends Command {}
export class BatchWriteCommand extends Command {}
export class DeleteCommand extends Command {}
export class GetCommand extends Command {}
export class PutCommand extends Command {}
export class QueryCommand extends Command {}
export class ScanCommand extends Command {}
export class TransactGetCommand extends Command {}
export class TransactWriteCommand extends Command {}
export class UpdateCommand extends Command {}
