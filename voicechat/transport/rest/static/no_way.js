/** Why sound does not get through on one way to the server; another way may do. */
export class NoWay extends Error {}
