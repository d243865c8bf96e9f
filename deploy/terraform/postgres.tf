# Dagster's database. dagster-postgres knows passwords only; this one is made here, lies in
# Terraform's state (keep that where only operators reach it) and in one Kubernetes secret.
resource "random_password" "postgres" {
  count   = var.postgres_enabled ? 1 : 0
  length  = 40
  special = false
}

resource "azurerm_postgresql_flexible_server" "this" {
  count                         = var.postgres_enabled ? 1 : 0
  name                          = "${var.name}-${var.media_account}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  version                       = "16"
  sku_name                      = "B_Standard_B1ms"
  storage_mb                    = 32768
  backup_retention_days         = 7
  public_network_access_enabled = false
  delegated_subnet_id           = azurerm_subnet.postgres.id
  private_dns_zone_id           = azurerm_private_dns_zone.this["postgres"].id
  administrator_login           = "stylejobs"
  administrator_password        = random_password.postgres[0].result

  depends_on = [azurerm_private_dns_zone_virtual_network_link.this]

  lifecycle {
    ignore_changes = [zone]
  }
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  count     = var.postgres_enabled ? 1 : 0
  name      = "stylejobs"
  server_id = azurerm_postgresql_flexible_server.this[0].id
}
