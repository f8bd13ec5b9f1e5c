# frozen_string_literal: true

# What each provider makes of a machine.
module Utopia
  # The image is baked before; `build_dir` would have Vagrant make, and with `destroy` remove, one per machine.
  DOCKER = lambda do |node, machine, inputs|
    node.ssh.username = "root"
    node.ssh.private_key_path = inputs["key"] # the environment's own; machines get its public half when they boot
    node.ssh.insert_key = false
    node.vm.network "forwarded_port", id: "ssh", guest: 22, host: 2222, disabled: true # create_args publish a free one
    node.vm.provider "docker" do |docker|
      docker.image = inputs["image"]
      docker.name = machine["container"]
      docker.create_args = machine["arguments"]
      docker.cmd = inputs["command"]
      docker.has_ssh = true
      docker.remains_running = true
      docker.stop_timeout = 60
    end
  end

  # Vagrant replaces the key of the box by one of its own; root gets the environment's, for `bootstrap`.
  VIRTUAL = lambda do |node, machine, inputs|
    node.vm.box = inputs["box"]
    node.vm.hostname = machine["name"]
    node.vm.network "private_network", ip: machine["address"], netmask: inputs["netmask"]
    node.vm.provision "shell", path: File.join(ROOT, "vagrant/root_key.sh"), args: [inputs["public_key"]]
    node.vm.provider inputs["provider"] do |virtual|
      virtual.memory = inputs["memory"]
      virtual.cpus = inputs["cpus"]
    end
  end

  def self.provider(name)
    { "docker" => DOCKER, "libvirt" => VIRTUAL, "virtualbox" => VIRTUAL }.fetch(name)
  end
end
