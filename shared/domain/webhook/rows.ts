import type { EntityItem } from "electrodb";
import type { Platform } from "../../data/service.ts";

export type Webhook = EntityItem<Platform["entities"]["webhook"]>;
export type Delivery = EntityItem<Platform["entities"]["webhookDelivery"]>;

export interface WebhookKey {
  tenant_id: string;
  webhook_id: string;
}

export interface DeliveryKey extends WebhookKey {
  delivery_id: string;
}
