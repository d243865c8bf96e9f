# Who may do what. Nobody holds a key: pods get their identity through their service account,
# people and applications through Entra ID.
locals {
  identities = ["uploader", "pipeline", "reader", "operator"]

  # The service accounts of deploy/kubernetes/identities.yaml.
  service_accounts = {
    pipeline = "stylejobs-pipeline"
    operator = "stylejobs-control"
  }
  namespace = "stylejobs"

  media_containers_by_id = { for name, container in azurerm_storage_container.media : name => container.id }
  ops_containers_by_id   = { for name, container in azurerm_storage_container.ops : name => container.id }

  # identity, what it may reach, and as what.
  grants = {
    pipeline-inbox    = { who = "pipeline", scope = local.media_containers_by_id["inbox"], role = "Storage Blob Data Reader" }
    pipeline-styles   = { who = "pipeline", scope = local.media_containers_by_id["styles"], role = "Storage Blob Data Reader" }
    pipeline-work     = { who = "pipeline", scope = local.media_containers_by_id["work"], role = "Storage Blob Data Contributor" }
    pipeline-painted  = { who = "pipeline", scope = local.media_containers_by_id["painted"], role = "Storage Blob Data Contributor" }
    pipeline-rejected = { who = "pipeline", scope = local.media_containers_by_id["rejected"], role = "Storage Blob Data Contributor" }
    pipeline-events   = { who = "pipeline", scope = azurerm_storage_queue.media["inbox-events"].id, role = "Storage Queue Data Contributor" }
    pipeline-poison   = { who = "pipeline", scope = azurerm_storage_queue.media["inbox-events-poison"].id, role = "Storage Queue Data Message Sender" }
    pipeline-logs     = { who = "pipeline", scope = local.ops_containers_by_id["compute-logs"], role = "Storage Blob Data Contributor" }
    operator-logs     = { who = "operator", scope = local.ops_containers_by_id["compute-logs"], role = "Storage Blob Data Reader" }
    # The UI links to logs with a signature of the identity's own.
    operator-links = { who = "operator", scope = azurerm_storage_account.ops.id, role = "Storage Blob Delegator" }
    reader-painted = { who = "reader", scope = local.media_containers_by_id["painted"], role = "Storage Blob Data Reader" }
  }
}

resource "azurerm_user_assigned_identity" "this" {
  for_each            = toset(local.identities)
  name                = "${var.name}-${each.value}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
}

resource "azurerm_federated_identity_credential" "this" {
  for_each            = local.service_accounts
  name                = each.value
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.this[each.key].id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject             = "system:serviceaccount:${local.namespace}:${each.value}"
}

resource "azurerm_role_assignment" "this" {
  for_each             = local.grants
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.this[each.value.who].principal_id
}

# Azure's own roles that may write blobs may also read and delete them.
resource "azurerm_role_definition" "uploader" {
  name        = "${var.name} uploader"
  scope       = azurerm_resource_group.this.id
  description = "Adds blobs, and neither lists, reads nor deletes them."

  permissions {
    data_actions = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
    ]
  }

  assignable_scopes = [azurerm_resource_group.this.id]
}

resource "azurerm_role_assignment" "uploader" {
  scope              = azurerm_storage_container.media["inbox"].id
  role_definition_id = azurerm_role_definition.uploader.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.this["uploader"].principal_id
}

resource "azurerm_role_assignment" "more_uploaders" {
  for_each           = var.uploader_object_ids
  scope              = azurerm_storage_container.media["inbox"].id
  role_definition_id = azurerm_role_definition.uploader.role_definition_resource_id
  principal_id       = each.value
}

resource "azurerm_role_assignment" "more_readers" {
  for_each             = var.reader_object_ids
  scope                = azurerm_storage_container.media["painted"].id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = each.value
}
