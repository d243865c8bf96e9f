variable "subscription_id" {
  description = "The Azure subscription that pays."
  type        = string
}

variable "name" {
  description = "Of the resource group, and the beginning of most other names."
  type        = string
  default     = "stylejobs"
}

variable "location" {
  description = "A region with quota for `gpu_vm_size`."
  type        = string
  default     = "westeurope"
}

variable "media_account" {
  description = "Storage account of uploads and results; unique in all of Azure."
  type        = string
}

variable "ops_account" {
  description = "Storage account of logs, which uploaders and readers cannot reach."
  type        = string
}

variable "registry_name" {
  description = "Container registry; unique in all of Azure."
  type        = string
}

variable "host" {
  description = "Name under which the UI is reached."
  type        = string
}

variable "image_version" {
  description = "Tag of the images, without -cpu and -cuda."
  type        = string
  default     = "0.1.0"
}

variable "kubernetes_version" {
  type    = string
  default = "1.33"
}

variable "api_server_authorized_ip_ranges" {
  description = "Where kubectl may come from."
  type        = list(string)
}

variable "storage_allowed_ip_ranges" {
  description = "Where uploaders and readers come from; pods use private endpoints."
  type        = list(string)
  default     = []
}

variable "cpu_vm_size" {
  description = "Of the nodes that prepare and deliver."
  type        = string
  default     = "Standard_D8ads_v5"
}

variable "cpu_min_nodes" {
  description = "Nodes that are kept warm: 0 costs nothing when idle."
  type        = number
  default     = 0
}

variable "cpu_max_nodes" {
  type    = number
  default = 4
}

variable "gpu_enabled" {
  description = "False for a cluster of CPUs alone: then use deploy/helm/values-cpu-only.yaml."
  type        = bool
  default     = true
}

variable "gpu_vm_size" {
  description = "Of the nodes that score; one GPU each."
  type        = string
  default     = "Standard_NV36ads_A10_v5"
}

variable "gpu_spot" {
  description = "Spot nodes cost less and may be taken away: an evicted run goes on elsewhere."
  type        = bool
  default     = true
}

variable "gpu_min_nodes" {
  description = "Nodes that are kept warm: 0 costs nothing when idle."
  type        = number
  default     = 0
}

variable "gpu_max_nodes" {
  description = "As many as runs may score at once: the limit of the pool `scoring`."
  type        = number
  default     = 4
}

variable "postgres_enabled" {
  description = "False to bring a PostgreSQL server of your own."
  type        = bool
  default     = true
}

variable "postgres_host" {
  description = "Of your own server, where `postgres_enabled` is false."
  type        = string
  default     = ""
}

variable "uploader_object_ids" {
  description = "Entra ID groups or applications that may upload, besides the identity `uploader`."
  type        = set(string)
  default     = []
}

variable "reader_object_ids" {
  description = "Entra ID groups or applications that may read results, besides `reader`."
  type        = set(string)
  default     = []
}
