import { RemovalPolicy, Stack } from "aws-cdk-lib";
import {
  type Attribute,
  AttributeType,
  BillingMode,
  ProjectionType,
  Table,
  TableEncryption,
} from "aws-cdk-lib/aws-dynamodb";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { indexAttributes, tableKeys } from "../../shared/data/table.ts";
import type { Use } from "./node-function.ts";

export interface DataTableProps {
  /** Keep the table when the stack goes, and refuse to delete it. */
  readonly retain: boolean;
}

type TableVariable = "TABLE_NAME" | "TABLE_URL";

const text = (name: string): Attribute => ({ name, type: AttributeType.STRING });

/** The one table and its indexes, built from the names that the entities use. No function may scan it. */
export class DataTable extends Construct {
  readonly table: Table;

  constructor(scope: Construct, id: string, props: DataTableProps) {
    super(scope, id);
    this.table = new Table(this, "Table", {
      partitionKey: text(tableKeys.partitionKey),
      sortKey: text(tableKeys.sortKey),
      timeToLiveAttribute: tableKeys.timeToLive,
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.DEFAULT,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: props.retain,
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    for (const [indexName, keys] of Object.entries(tableKeys.indexes)) {
      const nonKeyAttributes = indexAttributes[indexName];
      this.table.addGlobalSecondaryIndex({
        indexName,
        partitionKey: text(keys.partitionKey),
        sortKey: text(keys.sortKey),
        ...(nonKeyAttributes
          ? { projectionType: ProjectionType.INCLUDE, nonKeyAttributes: [...nonKeyAttributes] }
          : { projectionType: ProjectionType.ALL }),
      });
    }
  }

  forReading(): Use<TableVariable> {
    const indexArns = Object.keys(tableKeys.indexes).map((name) => `${this.table.tableArn}/index/${name}`);
    return this.use(
      new PolicyStatement({ actions: ["dynamodb:GetItem", "dynamodb:BatchGetItem"], resources: [this.table.tableArn] }),
      new PolicyStatement({ actions: ["dynamodb:Query"], resources: [this.table.tableArn, ...indexArns] }),
    );
  }

  /** Transactions need the single actions; there is no action of their own. */
  forReadingAndWriting(): Use<TableVariable> {
    const writes = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"];
    return this.use(
      ...this.forReading().statements,
      new PolicyStatement({ actions: writes, resources: [this.table.tableArn] }),
    );
  }

  /** Makes rows and changes them; removes none. */
  forReadingAndPatching(): Use<TableVariable> {
    const writes = ["dynamodb:PutItem", "dynamodb:UpdateItem"];
    return this.use(
      ...this.forReading().statements,
      new PolicyStatement({ actions: writes, resources: [this.table.tableArn] }),
    );
  }

  /** Beside all else, many rows in one request, at half the price of a transaction. */
  forRemoving(): Use<TableVariable> {
    const many = new PolicyStatement({ actions: ["dynamodb:BatchWriteItem"], resources: [this.table.tableArn] });
    return this.use(...this.forReadingAndWriting().statements, many);
  }

  private use(...statements: PolicyStatement[]): Use<TableVariable> {
    const { region, urlSuffix } = Stack.of(this);
    return {
      variables: [
        ["TABLE_NAME", this.table.tableName],
        ["TABLE_URL", `https://dynamodb.${region}.${urlSuffix}`],
      ],
      statements,
    };
  }
}
