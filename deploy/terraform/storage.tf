# Two accounts: media, which uploaders and readers reach, and ops, which they do not.
locals {
  # As in stylejobs/config.py.
  media_containers = ["inbox", "work", "painted", "rejected", "styles"]
  ops_containers   = ["compute-logs", "event-dead-letters"]
  media_queues     = ["inbox-events", "inbox-events-poison"]
}

resource "azurerm_storage_account" "media" {
  name                             = var.media_account
  resource_group_name              = azurerm_resource_group.this.name
  location                         = azurerm_resource_group.this.location
  account_tier                     = "Standard"
  account_replication_type         = "LRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false

  # Event Grid writes to the queue as a trusted service, with an identity.
  network_rules {
    default_action = "Deny"
    bypass         = ["AzureServices"]
    ip_rules       = var.storage_allowed_ip_ranges
  }

  blob_properties {
    delete_retention_policy {
      days = 14
    }
    container_delete_retention_policy {
      days = 14
    }
  }
}

resource "azurerm_storage_account" "ops" {
  name                             = var.ops_account
  resource_group_name              = azurerm_resource_group.this.name
  location                         = azurerm_resource_group.this.location
  account_tier                     = "Standard"
  account_replication_type         = "LRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false

  network_rules {
    default_action = "Deny"
    bypass         = ["AzureServices"]
  }

  blob_properties {
    delete_retention_policy {
      days = 14
    }
    container_delete_retention_policy {
      days = 14
    }
  }
}

resource "azurerm_storage_container" "media" {
  for_each              = toset(local.media_containers)
  name                  = each.value
  storage_account_id    = azurerm_storage_account.media.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "ops" {
  for_each              = toset(local.ops_containers)
  name                  = each.value
  storage_account_id    = azurerm_storage_account.ops.id
  container_access_type = "private"
}

resource "azurerm_storage_queue" "media" {
  for_each           = toset(local.media_queues)
  name               = each.value
  storage_account_id = azurerm_storage_account.media.id
}

# New uploads, as messages in a queue: STYLEJOBS_TRIGGER=queue.
resource "azurerm_eventgrid_system_topic" "media" {
  name                = "${var.name}-media"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  source_resource_id  = azurerm_storage_account.media.id
  topic_type          = "Microsoft.Storage.StorageAccounts"

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_role_assignment" "events_to_queue" {
  scope                = azurerm_storage_queue.media["inbox-events"].id
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = azurerm_eventgrid_system_topic.media.identity[0].principal_id
}

resource "azurerm_role_assignment" "events_to_dead_letters" {
  scope                = azurerm_storage_container.ops["event-dead-letters"].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_eventgrid_system_topic.media.identity[0].principal_id
}

resource "azurerm_eventgrid_system_topic_event_subscription" "uploads" {
  name                 = "uploads"
  resource_group_name  = azurerm_resource_group.this.name
  system_topic         = azurerm_eventgrid_system_topic.media.name
  included_event_types = ["Microsoft.Storage.BlobCreated"]

  subject_filter {
    subject_begins_with = "/blobServices/default/containers/inbox/"
  }

  delivery_identity {
    type = "SystemAssigned"
  }

  storage_queue_endpoint {
    storage_account_id                    = azurerm_storage_account.media.id
    queue_name                            = azurerm_storage_queue.media["inbox-events"].name
    queue_message_time_to_live_in_seconds = 604800
  }

  dead_letter_identity {
    type = "SystemAssigned"
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.ops.id
    storage_blob_container_name = azurerm_storage_container.ops["event-dead-letters"].name
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }

  depends_on = [
    azurerm_role_assignment.events_to_queue,
    azurerm_role_assignment.events_to_dead_letters,
  ]
}
