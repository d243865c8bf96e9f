output "site_env" {
  description = "What deploy/helm and deploy/kubernetes leave to be filled in, for envsubst."
  value       = <<-EOT
    HOST=${var.host}
    MEDIA_ACCOUNT=${azurerm_storage_account.media.name}
    OPERATOR_CLIENT_ID=${azurerm_user_assigned_identity.this["operator"].client_id}
    OPS_ACCOUNT=${azurerm_storage_account.ops.name}
    PIPELINE_CLIENT_ID=${azurerm_user_assigned_identity.this["pipeline"].client_id}
    POSTGRES_HOST=${var.postgres_enabled ? azurerm_postgresql_flexible_server.this[0].fqdn : var.postgres_host}
    REGISTRY=${azurerm_container_registry.this.login_server}
    VERSION=${var.image_version}
  EOT
}

output "postgres_password" {
  value     = var.postgres_enabled ? random_password.postgres[0].result : null
  sensitive = true
}

output "uploader_client_id" {
  description = "Of the identity that applications upload with."
  value       = azurerm_user_assigned_identity.this["uploader"].client_id
}

output "reader_client_id" {
  description = "Of the identity that applications read results with."
  value       = azurerm_user_assigned_identity.this["reader"].client_id
}
