/** The containers of a Fargate task share one network: nothing finer than the security group. */
export const ecsNetworkPolicies = ["open"] as const;
