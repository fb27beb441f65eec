//! The rows: a kind each, Kubernetes' own first, then by group.

use super::{Kind, Place, Takes, argo, object, pod_spec, template, unless};

const CORE: &[&str] = &[""];
const APPS: &[&str] = &["apps"];
/// API groups that ever had these kinds.
const EXTENSIONS: &[&str] = &["apps", "extensions"];
const BATCH: &[&str] = &["batch"];
const ARGO: &[&str] = &["argoproj.io"];
const KNATIVE: &[&str] = &["serving.knative.dev"];
const KUBEFLOW: &[&str] = &["kubeflow.org"];
const TRAINER: &[&str] = &["trainer.kubeflow.org"];
const RAY: &[&str] = &["ray.io"];
const KRUISE: &[&str] = &["apps.kruise.io"];
const AGONES: &[&str] = &["agones.dev"];
const TEKTON: &[&str] = &["tekton.dev"];
const VOLCANO: &[&str] = &["batch.volcano.sh"];

/// The rules of Knative's webhook.
const KNATIVE_NOTE: &str = "Everything is set on the containers: Knative's webhook refuses a pod-level \
     `securityContext`, init containers and added capabilities unless its features \
     `kubernetes.podspec-securitycontext`, `kubernetes.podspec-init-containers` and \
     `kubernetes.containerspec-addcapabilities` are on";
const KNATIVE_SOURCE: &str = "knative.dev/serving: fieldmask.go, PodSpecMask";
const ARGO_NOTE: &str = "Templates with `container`, `script` or `containerSet` are edited as the pods \
     they become; left alone with `podSpecPatch`, with `templateDefaults` that have containers, volumes \
     or a `securityContext`, and with `mirrorVolumeMounts` or a `containerSet`'s `volumeMounts`. What is read is \
     the container with its script and input artifacts, and not where `outputs` are: outside /tmp and its volumes they \
     need [`writable-paths`](rules.md#readonlyrootfilesystem) in the template's annotations";
const WORKFLOW_PODS: &[Place] = &[
    argo("spec.templates[*]"),
    argo("spec.templates[*].dag.tasks[*].inline"),
    argo("spec.templates[*].steps[*][*].inline"),
];
const WORKFLOW: &str = "argo-workflows: workflow_types.go, Template";
/// Why nothing in a Tekton object is edited.
const NO_POD: &str = "a Task is no pod: its pod level is the TaskRun's `podTemplate`, its volumes are \
     workspaces, and with a uid but no fsGroup its steps could not write them";
/// Why nothing in a ServingRuntime is edited.
const NO_RUNTIME: &str =
    "an InferenceService's predictor is merged into it, and it has no pod level";
const TASK: &str = "tektoncd/pipeline: task_types.go, TaskSpec";
const POD_TEMPLATE: &str = "tektoncd/pipeline: template.go, Template";
const RAY_SOURCE: &str = "kuberay: raycluster_types.go, HeadGroupSpec, WorkerGroupSpec";
const REPLICA_SPEC: &str = "training-operator: common_types.go, ReplicaSpec";
const VOLCANO_SOURCE: &str = "volcano.sh/apis: job.go, TaskSpec";

/// Every kind with pods in it: Kubernetes' own, then others by whom they are of.
#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    Kind::new(CORE, "Pod", "pods", &[template("")], "k8s.io/api/core/v1: Pod").fixed(),
    Kind::new(CORE, "PodTemplate", "podtemplates", &[template("template")], "k8s.io/api/core/v1: PodTemplate"),
    Kind::new(EXTENSIONS, "Deployment", "deployments", &[template("spec.template")], "k8s.io/api/apps/v1: DeploymentSpec").rolls(),
    Kind::new(APPS, "StatefulSet", "statefulsets", &[template("spec.template")], "k8s.io/api/apps/v1: StatefulSetSpec").rolls(),
    Kind::new(EXTENSIONS, "DaemonSet", "daemonsets", &[template("spec.template")], "k8s.io/api/apps/v1: DaemonSetSpec").rolls(),
    Kind::new(EXTENSIONS, "ReplicaSet", "replicasets", &[template("spec.template")], "k8s.io/api/apps/v1: ReplicaSetSpec"),
    Kind::new(CORE, "ReplicationController", "replicationcontrollers", &[template("spec.template")], "k8s.io/api/core/v1: ReplicationControllerSpec"),
    Kind::new(BATCH, "Job", "jobs", &[template("spec.template")], "k8s.io/api/batch/v1: JobSpec").fixed(),
    Kind::new(BATCH, "CronJob", "cronjobs", &[template("spec.jobTemplate.spec.template")], "k8s.io/api/batch/v1: CronJobSpec").next_run(),
    // Argo
    Kind::new(ARGO, "Rollout", "rollouts", &[template("spec.template")], "argo-rollouts: types.go, RolloutSpec").rolls().note("With `workloadRef` the template is the Deployment's"),
    Kind::new(ARGO, "Experiment", "experiments", &[template("spec.templates[*].template")], "argo-rollouts: experiment_types.go, TemplateSpec"),
    Kind::new(ARGO, "AnalysisTemplate", "analysistemplates", &[template("spec.metrics[*].provider.job.spec.template")], "argo-rollouts: analysis_types.go, JobMetric").next_run().through("Job"),
    Kind::new(ARGO, "ClusterAnalysisTemplate", "clusteranalysistemplates", &[template("spec.metrics[*].provider.job.spec.template")], "argo-rollouts: analysis_types.go, JobMetric").next_run().through("Job"),
    Kind::new(ARGO, "AnalysisRun", "analysisruns", &[template("spec.metrics[*].provider.job.spec.template")], "argo-rollouts: analysis_types.go, JobMetric").fixed().through("Job"),
    Kind::new(ARGO, "Workflow", "workflows", WORKFLOW_PODS, WORKFLOW).fixed().note(ARGO_NOTE),
    Kind::new(ARGO, "WorkflowTemplate", "workflowtemplates", WORKFLOW_PODS, WORKFLOW).next_run().through("Workflow"),
    Kind::new(ARGO, "ClusterWorkflowTemplate", "clusterworkflowtemplates", WORKFLOW_PODS, WORKFLOW).next_run().through("Workflow"),
    Kind::new(ARGO, "CronWorkflow", "cronworkflows", &[argo("spec.workflowSpec.templates[*]"), argo("spec.workflowSpec.templates[*].dag.tasks[*].inline"), argo("spec.workflowSpec.templates[*].steps[*][*].inline")], "argo-workflows: cron_workflow_types.go, CronWorkflowSpec").next_run().through("Workflow"),
    Kind::new(ARGO, "Sensor", "sensors", &[object("spec.triggers[*].template.argoWorkflow.source.resource"), object("spec.triggers[*].template.k8s.source.resource")], "argo-events: sensor_types.go, ArtifactLocation").next_run(),
    // Knative
    Kind::new(KNATIVE, "Service", "services", &[template("spec.template")], KNATIVE_SOURCE).rolls().takes(Takes::Containers).note(KNATIVE_NOTE).through("Deployment"),
    Kind::new(KNATIVE, "Configuration", "configurations", &[template("spec.template")], KNATIVE_SOURCE).rolls().takes(Takes::Containers).through("Deployment"),
    Kind::new(KNATIVE, "Revision", "revisions", &[template("")], KNATIVE_SOURCE).fixed().takes(Takes::Containers).through("Deployment"),
    Kind::new(&["sources.knative.dev"], "ContainerSource", "containersources", &[template("spec.template")], "knative.dev/eventing: container_types.go, ContainerSourceSpec").rolls().through("Deployment"),
    Kind::new(&["sinks.knative.dev"], "JobSink", "jobsinks", &[template("spec.job.spec.template")], "knative.dev/eventing: job_sink_types.go, JobSinkSpec").next_run(),
    // Batch and machine learning
    Kind::new(&["jobset.x-k8s.io"], "JobSet", "jobsets", &[template("spec.replicatedJobs[*].template.spec.template")], "sigs.k8s.io/jobset: jobset_types.go, ReplicatedJob").fixed(),
    Kind::new(&["leaderworkerset.x-k8s.io"], "LeaderWorkerSet", "leaderworkersets", &[template("spec.leaderWorkerTemplate.leaderTemplate"), template("spec.leaderWorkerTemplate.workerTemplate")], "sigs.k8s.io/lws: leaderworkerset_types.go, LeaderWorkerTemplate").rolls().through("StatefulSet"),
    Kind::new(RAY, "RayCluster", "rayclusters", &[template("spec.headGroupSpec.template"), template("spec.workerGroupSpecs[*].template")], RAY_SOURCE),
    Kind::new(RAY, "RayJob", "rayjobs", &[template("spec.rayClusterSpec.headGroupSpec.template"), template("spec.rayClusterSpec.workerGroupSpecs[*].template"), template("spec.submitterPodTemplate")], "kuberay: rayjob_types.go, RayJobSpec").through("RayCluster"),
    Kind::new(RAY, "RayService", "rayservices", &[template("spec.rayClusterConfig.headGroupSpec.template"), template("spec.rayClusterConfig.workerGroupSpecs[*].template")], "kuberay: rayservice_types.go, RayServiceSpec").rolls().through("RayCluster"),
    Kind::new(RAY, "RayCronJob", "raycronjobs", &[template("spec.jobTemplate.rayClusterSpec.headGroupSpec.template"), template("spec.jobTemplate.rayClusterSpec.workerGroupSpecs[*].template"), template("spec.jobTemplate.submitterPodTemplate")], "kuberay: raycronjob_types.go, RayCronJobSpec").next_run().through("RayCluster"),
    Kind::new(&["sparkoperator.k8s.io"], "SparkApplication", "sparkapplications", &[template("spec.driver.template"), template("spec.executor.template")], "kubeflow/spark-operator: sparkapplication_types.go, SparkPodSpec").rolls().takes(Takes::Merged).unless(unless::spark),
    Kind::new(&["sparkoperator.k8s.io"], "ScheduledSparkApplication", "scheduledsparkapplications", &[template("spec.template.driver.template"), template("spec.template.executor.template")], "kubeflow/spark-operator: scheduledsparkapplication_types.go, ScheduledSparkApplicationSpec").next_run().takes(Takes::Merged).unless(unless::scheduled_spark).through("SparkApplication"),
    Kind::new(KUBEFLOW, "PyTorchJob", "pytorchjobs", &[template("spec.pytorchReplicaSpecs[*].template")], REPLICA_SPEC),
    Kind::new(KUBEFLOW, "TFJob", "tfjobs", &[template("spec.tfReplicaSpecs[*].template")], REPLICA_SPEC),
    Kind::new(KUBEFLOW, "MPIJob", "mpijobs", &[], "mpi-operator: types.go, ReplicaSpec; default.go").takes(Takes::Nothing(unless::ROOTS_KEYS)),
    Kind::new(KUBEFLOW, "XGBoostJob", "xgboostjobs", &[template("spec.xgbReplicaSpecs[*].template")], REPLICA_SPEC),
    Kind::new(KUBEFLOW, "PaddleJob", "paddlejobs", &[template("spec.paddleReplicaSpecs[*].template")], REPLICA_SPEC),
    Kind::new(KUBEFLOW, "MXJob", "mxjobs", &[template("spec.mxReplicaSpecs[*].template")], REPLICA_SPEC),
    Kind::new(KUBEFLOW, "JAXJob", "jaxjobs", &[template("spec.jaxReplicaSpecs[*].template")], REPLICA_SPEC),
    Kind::new(KUBEFLOW, "Notebook", "notebooks", &[pod_spec("spec.template.spec")], "kubeflow/kubeflow: notebook-controller, notebook_types.go, NotebookTemplateSpec").rolls().takes(Takes::Defaulted).note("Its pods get the Notebook's own annotations").through("StatefulSet"),
    Kind::new(KUBEFLOW, "Experiment", "experiments", &[object("spec.trialTemplate.trialSpec")], "katib: experiment_types.go, TrialTemplate").fixed(),
    Kind::new(TRAINER, "TrainingRuntime", "trainingruntimes", &[template("spec.template.spec.replicatedJobs[*].template.spec.template")], "kubeflow/trainer: trainingruntime_types.go, JobSetTemplateSpec").next_run().unless(unless::trainer).through("Job"),
    Kind::new(TRAINER, "ClusterTrainingRuntime", "clustertrainingruntimes", &[template("spec.template.spec.replicatedJobs[*].template.spec.template")], "kubeflow/trainer: trainingruntime_types.go, JobSetTemplateSpec").next_run().unless(unless::trainer).through("Job"),
    Kind::new(TRAINER, "TrainJob", "trainjobs", &[], "kubeflow/trainer: trainjob_types.go, TrainJobSpec").takes(Takes::Nothing("its pods are its runtime's: harden the TrainingRuntime")),
    Kind::new(VOLCANO, "Job", "jobs", &[template("spec.tasks[*].template")], VOLCANO_SOURCE).fixed().unless(unless::volcano).note("Left alone with `volumes` of its own, which are mounted into every container, and with the plugins `ssh` and `mpi`, whose keys are root's"),
    Kind::new(VOLCANO, "CronJob", "cronjobs", &[template("spec.jobTemplate.spec.tasks[*].template")], "volcano.sh/apis: cronjob.go, JobTemplateSpec").next_run().unless(unless::volcano_cron).through("Job"),
    Kind::new(&["flow.volcano.sh"], "JobTemplate", "jobtemplates", &[template("spec.tasks[*].template")], "volcano.sh/apis: jobtemplate_types.go, JobTemplate").next_run().unless(unless::volcano).through("Job"),
    Kind::new(&["serving.kserve.io"], "InferenceService", "inferenceservices", &[pod_spec("spec.predictor"), pod_spec("spec.predictor.workerSpec"), pod_spec("spec.transformer"), pod_spec("spec.explainer")], "kserve: predictor.go, PredictorSpec").rolls().takes(Takes::Containers).note("Of a custom predictor with an image; a `model`'s pod is its ServingRuntime's. On the containers alone: without RawDeployment its pods are Knative's").through("Deployment"),
    Kind::new(&["serving.kserve.io"], "ServingRuntime", "servingruntimes", &[], "kserve: servingruntime_types.go, ServingRuntimePodSpec").takes(Takes::Nothing(NO_RUNTIME)),
    Kind::new(&["serving.kserve.io"], "ClusterServingRuntime", "clusterservingruntimes", &[], "kserve: servingruntime_types.go, ServingRuntimePodSpec").takes(Takes::Nothing(NO_RUNTIME)),
    Kind::new(&["keda.sh"], "ScaledJob", "scaledjobs", &[template("spec.jobTargetRef.template")], "keda: scaledjob_types.go, ScaledJobSpec").next_run().note("By default its operator deletes running Jobs when the template changes"),
    Kind::new(&["workload.codeflare.dev"], "AppWrapper", "appwrappers", &[object("spec.components[*].template")], "appwrapper: appwrapper_types.go, AppWrapperComponent").fixed(),
    // OpenShift
    Kind::new(&["apps.openshift.io", ""], "DeploymentConfig", "deploymentconfigs", &[template("spec.template")], "openshift/api: types.go, DeploymentConfigSpec").rolls().note("OpenShift's SCCs give uids and an fsGroup, and refuse others: [a policy for it](../policies/openshift.yaml) sets none").through("ReplicationController"),
    Kind::new(&["template.openshift.io", ""], "Template", "templates", &[object("objects[*]")], "openshift/api: types.go, Template").note("As for a DeploymentConfig. An object whose pod depends on a parameter `${{NAME}}` is left alone"),
    Kind::new(&["work.open-cluster-management.io"], "ManifestWork", "manifestworks", &[object("spec.workload.manifests[*]")], "open-cluster-management.io/api: types.go, ManifestsTemplate"),
    Kind::new(&["work.open-cluster-management.io"], "ManifestWorkReplicaSet", "manifestworkreplicasets", &[object("spec.manifestWorkTemplate.workload.manifests[*]")], "open-cluster-management.io/api: types_manifestworkreplicaset.go"),
    Kind::new(&["addon.open-cluster-management.io"], "AddOnTemplate", "addontemplates", &[object("spec.agentSpec.workload.manifests[*]")], "open-cluster-management.io/api: types_addontemplate.go, AddOnTemplateSpec"),
    // OpenKruise
    Kind::new(KRUISE, "CloneSet", "clonesets", &[template("spec.template")], "kruise: cloneset_types.go, CloneSetSpec").rolls(),
    Kind::new(KRUISE, "StatefulSet", "statefulsets", &[template("spec.template")], "kruise: statefulset_types.go, StatefulSetSpec").rolls(),
    Kind::new(KRUISE, "DaemonSet", "daemonsets", &[template("spec.template")], "kruise: daemonset_types.go, DaemonSetSpec").rolls(),
    Kind::new(KRUISE, "BroadcastJob", "broadcastjobs", &[template("spec.template")], "kruise: broadcastjob_types.go, BroadcastJobSpec"),
    Kind::new(KRUISE, "AdvancedCronJob", "advancedcronjobs", &[template("spec.template.jobTemplate.spec.template"), template("spec.template.broadcastJobTemplate.spec.template")], "kruise: advancedcronjob_types.go, CronJobTemplate").fixed(),
    Kind::new(KRUISE, "UnitedDeployment", "uniteddeployments", &[template("spec.template.statefulSetTemplate.spec.template"), template("spec.template.advancedStatefulSetTemplate.spec.template"), template("spec.template.cloneSetTemplate.spec.template"), template("spec.template.deploymentTemplate.spec.template")], "kruise: uniteddeployment_types.go, SubsetTemplate").rolls().through("StatefulSet"),
    Kind::new(KRUISE, "SidecarSet", "sidecarsets", &[], "kruise: sidecarset_types.go, SidecarSetSpec").takes(Takes::Nothing("its containers are put into other workloads' pods, whose pod level decides with them")),
    Kind::new(&["game.kruise.io"], "GameServerSet", "gameserversets", &[template("spec.gameServerTemplate")], "kruise-game: gameserverset_types.go, GameServerTemplate").rolls().through("StatefulSet"),
    // Others
    Kind::new(AGONES, "Fleet", "fleets", &[template("spec.template.spec.template")], "agones.dev/agones: fleet.go, FleetSpec").rolls().through("GameServer"),
    Kind::new(AGONES, "GameServerSet", "gameserversets", &[template("spec.template.spec.template")], "agones.dev/agones: gameserverset.go, GameServerSetSpec").fixed().through("GameServer"),
    Kind::new(AGONES, "GameServer", "gameservers", &[template("spec.template")], "agones.dev/agones: gameserver.go, GameServerSpec"),
    Kind::new(&["actions.github.com"], "AutoscalingRunnerSet", "autoscalingrunnersets", &[template("spec.template"), template("spec.listenerTemplate")], "actions-runner-controller: autoscalingrunnerset_types.go, AutoscalingRunnerSetSpec").next_run().takes(Takes::Merged).through("EphemeralRunner"),
    Kind::new(&["agents.x-k8s.io"], "Sandbox", "sandboxes", &[template("spec.podTemplate")], "sigs.k8s.io/agent-sandbox: sandbox_types.go, PodTemplate"),
    Kind::new(&["extensions.agents.x-k8s.io"], "SandboxTemplate", "sandboxtemplates", &[template("spec.podTemplate")], "sigs.k8s.io/agent-sandbox: sandboxtemplate_types.go, SandboxTemplateSpec").next_run().through("Sandbox"),
    Kind::new(&["elasticsearch.k8s.elastic.co"], "Elasticsearch", "elasticsearches", &[template("spec.nodeSets[*].podTemplate")], "cloud-on-k8s: elasticsearch_types.go, NodeSet").rolls().takes(Takes::Defaulted).through("StatefulSet"),
    Kind::new(&["kibana.k8s.elastic.co"], "Kibana", "kibanas", &[template("spec.podTemplate")], "cloud-on-k8s: kibana_types.go, KibanaSpec").rolls().takes(Takes::Defaulted).through("Deployment"),
    Kind::new(&["apm.k8s.elastic.co"], "ApmServer", "apmservers", &[template("spec.podTemplate")], "cloud-on-k8s: apmserver_types.go, ApmServerSpec").rolls().takes(Takes::Defaulted).through("Deployment"),
    Kind::new(&["beat.k8s.elastic.co"], "Beat", "beats", &[template("spec.daemonSet.podTemplate"), template("spec.deployment.podTemplate")], "cloud-on-k8s: beat_types.go, BeatSpec").rolls().takes(Takes::Merged).through("DaemonSet"),
    Kind::new(&["agent.k8s.elastic.co"], "Agent", "agents", &[template("spec.daemonSet.podTemplate"), template("spec.deployment.podTemplate"), template("spec.statefulSet.podTemplate")], "cloud-on-k8s: agent_types.go, AgentSpec").rolls().takes(Takes::Merged).through("DaemonSet"),
    Kind::new(&["logstash.k8s.elastic.co"], "Logstash", "logstashes", &[template("spec.podTemplate")], "cloud-on-k8s: logstash_types.go, LogstashSpec").rolls().takes(Takes::Defaulted).through("StatefulSet"),
    Kind::new(&["flink.apache.org"], "FlinkDeployment", "flinkdeployments", &[template("spec.podTemplate"), template("spec.jobManager.podTemplate"), template("spec.taskManager.podTemplate")], "flink-kubernetes-operator: FlinkDeploymentSpec").rolls().takes(Takes::Merged).unless(unless::flink).through("Deployment"),
    Kind::new(TEKTON, "Task", "tasks", &[], TASK).takes(Takes::Nothing(NO_POD)),
    Kind::new(TEKTON, "ClusterTask", "clustertasks", &[], TASK).takes(Takes::Nothing(NO_POD)),
    Kind::new(TEKTON, "StepAction", "stepactions", &[], "tektoncd/pipeline: stepaction_types.go, StepActionSpec").takes(Takes::Nothing(NO_POD)),
    Kind::new(TEKTON, "TaskRun", "taskruns", &[], POD_TEMPLATE).takes(Takes::Nothing(NO_POD)),
    Kind::new(TEKTON, "Pipeline", "pipelines", &[], TASK).takes(Takes::Nothing(NO_POD)),
    Kind::new(TEKTON, "PipelineRun", "pipelineruns", &[], POD_TEMPLATE).takes(Takes::Nothing(NO_POD)),
];
