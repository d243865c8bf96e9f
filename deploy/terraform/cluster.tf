resource "azurerm_user_assigned_identity" "cluster" {
  name                = "${var.name}-cluster"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
}

resource "azurerm_role_assignment" "cluster_network" {
  scope                = azurerm_subnet.nodes.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_kubernetes_cluster.this.kubelet_identity[0].object_id
}

resource "azurerm_kubernetes_cluster" "this" {
  name                      = var.name
  resource_group_name       = azurerm_resource_group.this.name
  location                  = azurerm_resource_group.this.location
  dns_prefix                = var.name
  kubernetes_version        = var.kubernetes_version
  sku_tier                  = "Free"
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
  local_account_disabled    = true
  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled = true
    tenant_id          = data.azurerm_client_config.current.tenant_id
  }

  api_server_access_profile {
    authorized_ip_ranges = var.api_server_authorized_ip_ranges
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }

  # The system pool also holds web server, daemon and code server: all that is there when idle.
  default_node_pool {
    name                        = "system"
    vm_size                     = "Standard_D2as_v5"
    node_count                  = 2
    vnet_subnet_id              = azurerm_subnet.nodes.id
    node_labels                 = { "stylejobs/pool" = "control" }
    temporary_name_for_rotation = "rotation"

    upgrade_settings {
      max_surge = "33%"
    }
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    load_balancer_sku   = "standard"
  }

  auto_scaler_profile {
    scale_down_unneeded                   = "5m"
    scale_down_delay_after_add            = "5m"
    skip_nodes_with_local_storage         = false # every pod has scratch space; none keeps anything there
    skip_nodes_with_system_pods           = true
    max_graceful_termination_sec          = "600"
    ignore_daemonsets_utilization_enabled = true
  }

  # Container Insights.
  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.this.id
    msi_auth_for_monitoring_enabled = true
  }

  depends_on = [azurerm_role_assignment.cluster_network]
}

resource "azurerm_kubernetes_cluster_node_pool" "cpu" {
  name                  = "cpu"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.this.id
  vm_size               = var.cpu_vm_size
  vnet_subnet_id        = azurerm_subnet.nodes.id
  auto_scaling_enabled  = true
  min_count             = var.cpu_min_nodes
  max_count             = var.cpu_max_nodes
  os_disk_type          = "Ephemeral"
  node_labels           = { "stylejobs/pool" = "cpu" }
}

resource "azurerm_kubernetes_cluster_node_pool" "gpu" {
  count                 = var.gpu_enabled ? 1 : 0
  name                  = "gpu"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.this.id
  vm_size               = var.gpu_vm_size
  vnet_subnet_id        = azurerm_subnet.nodes.id
  auto_scaling_enabled  = true
  min_count             = var.gpu_min_nodes
  max_count             = var.gpu_max_nodes
  os_disk_type          = "Ephemeral"
  gpu_driver            = "Install"
  priority              = var.gpu_spot ? "Spot" : "Regular"
  eviction_policy       = var.gpu_spot ? "Delete" : null
  spot_max_price        = var.gpu_spot ? -1 : null

  # Azure puts the spot label and taint on spot nodes itself; named here, so that no plan undoes it.
  node_labels = merge(
    { "stylejobs/pool" = "gpu" },
    var.gpu_spot ? { "kubernetes.azure.com/scalesetpriority" = "spot" } : {},
  )
  node_taints = concat(
    ["sku=gpu:NoSchedule"],
    var.gpu_spot ? ["kubernetes.azure.com/scalesetpriority=spot:NoSchedule"] : [],
  )
}
